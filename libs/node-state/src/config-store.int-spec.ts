import { mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis, type TestRedis } from '@perfleet/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CONFIG_HISTORY_LIMIT, type ConfigStore } from './config-store.ts';
import { ConfigConflictError, ConfigUnreadableError } from './errors.ts';
import { openRedisNodeState } from './redis.ts';
import { openSqliteNodeState } from './sqlite.ts';
import type { NodeStateStore } from './store.ts';

const dir = mkdtempSync(join(tmpdir(), 'perfleet-config-store-'));
let redis: TestRedis;
let files = 0;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Opened {
  readonly store: NodeStateStore;
  /** Puts something that is no document in its place, as another program might. */
  spoil(): Promise<void>;
  /** Takes everything away, as a Redis without persistence does that restarts. */
  lose(): Promise<void>;
}

function openSqlite(): Opened {
  const path = join(dir, `state-${files++}.db`);
  const run = async (sql: string) => {
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
  };
  return {
    store: openSqliteNodeState({ path }),
    spoil: () => run(`UPDATE config_changes SET document = '{"rateHz":'`),
    lose: () => run(`DELETE FROM config_changes`),
  };
}

function openRedis(spoil: (other: Redis, key: string) => Promise<unknown>): Opened {
  const prefix = `config-${files++}`;
  const run = async (work: (other: Redis) => Promise<unknown>) => {
    const other = new Redis(redis.url);
    await work(other);
    other.disconnect();
  };
  return {
    store: openRedisNodeState({ url: redis.url, prefix }),
    spoil: () => run((other) => spoil(other, `${prefix}:config`)),
    lose: () => run((other) => other.del(`${prefix}:config`, `${prefix}:config-history`)),
  };
}

describe.each<[string, () => Opened]>([
  ['SQLite', openSqlite],
  ['Redis', () => openRedis((other, key) => other.hset(key, 'version', 'x', 'entry', '{"rateHz":'))],
  ['Redis, another type', () => openRedis(async (other, key) => [await other.del(key), await other.set(key, 'x')])],
])('the configuration in %s', (_, open) => {
  let opened: Opened;
  let config: ConfigStore;
  beforeEach(() => {
    opened = open();
    config = opened.store.config;
    return () => opened.store.close();
  });

  it('is versioned, and only one of two writers of a version wins', async () => {
    expect(await config.get()).toBeNull();
    expect(await config.revision()).toBeNull();
    expect(await config.set({ rateHz: 49 }, 0)).toBe(1);
    const results = await Promise.allSettled([1, 2].map((n) => config.set({ rateHz: n }, 1)));
    const lost = results.filter((r) => r.status === 'rejected');
    expect(lost).toHaveLength(1);
    expect(lost[0]!.reason).toBeInstanceOf(ConfigConflictError);
    expect(lost[0]!.reason).toMatchObject({ expectedVersion: 1, actualVersion: 2 });
    expect((await config.get())!.version).toBe(2);
    const before = Date.now();
    const note = { by: 'ann', comment: 'a "quoted" reason\n' };
    expect(await config.set({ empty: [], rateHz: 5 }, undefined, note)).toBe(3);
    const now = (await config.get())!;
    expect(now).toMatchObject({ version: 3, document: { empty: [], rateHz: 5 }, ...note });
    expect(Math.abs(now.changedAt - before)).toBeLessThan(60_000);
    expect(await config.revision()).toEqual({ version: 3, changedAt: now.changedAt });
  });

  it('keeps the last changes, newest first', async () => {
    for (let n = 1; n <= CONFIG_HISTORY_LIMIT + 5; n++) await config.set({ n }, n - 1, { comment: `change ${n}` });
    const all = await config.history(1000);
    expect(all).toHaveLength(CONFIG_HISTORY_LIMIT);
    expect(all[0]).toEqual(await config.get());
    expect(all.at(-1)).toMatchObject({ version: 6, document: { n: 6 }, comment: 'change 6' });
    expect((await config.history(2)).map((entry) => entry.version)).toEqual([105, 104]);
  });

  it('says when something else stands in its place, and is put right by the next change', async () => {
    await config.set({ rateHz: 1 }, 0);
    await opened.spoil();
    await expect(config.get()).rejects.toBeInstanceOf(ConfigUnreadableError);
    const version = await config.set({ rateHz: 2 });
    expect(await config.get()).toMatchObject({ version, document: { rateHz: 2 } });
  });

  it('is another revision after the store lost it, though the version is the same', async () => {
    await config.set({ rateHz: 1 }, 0);
    const before = (await config.revision())!;
    await opened.lose();
    expect(await config.revision()).toBeNull();
    expect(await config.history(10)).toEqual([]);
    while (Date.now() <= before.changedAt);
    expect(await config.set({ rateHz: 2 }, 0)).toBe(1);
    expect((await config.revision())!).not.toEqual(before);
  });
});
