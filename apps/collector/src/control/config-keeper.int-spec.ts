import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import type { FleetConfig } from '@perfleet/fleet-config';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import { tempDir } from '@perfleet/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigKeeper } from './config-keeper.ts';

let dir: string;
let scratch: ReturnType<typeof tempDir>;
let store: NodeStateStore;
let keepers: ConfigKeeper[] = [];
beforeEach(() => {
  scratch = tempDir();
  dir = scratch.path;
  store = openSqliteNodeState({ path: join(dir, 'state.db') });
});
afterEach(async () => {
  for (const keeper of keepers) keeper.stop();
  keepers = [];
  await store.close();
  scratch.remove();
});

const copy = () => join(dir, 'fleet-config.json');

async function keep(config = store.config) {
  const log: string[] = [];
  const taken: Array<[number, FleetConfig, string]> = [];
  const refused: string[] = [];
  const note = (level: string) => (message: string) => void log.push(`${level}: ${message}`);
  const keeper = new ConfigKeeper({
    store: config,
    dataDir: dir,
    logger: { warn: note('warn'), error: note('error') } as unknown as Logger,
    onChange: ({ revision, document }, from) => taken.push([revision.version, document, from]),
    onRefused: (message) => refused.push(message),
    // Looks are made by the test.
    everyMs: 1e9,
  });
  keepers.push(keeper);
  await keeper.start();
  return { keeper, log, taken, refused };
}

/** Whatever the API and the command line refuse can be in a store nevertheless. */
const invalid = { defaults: { rateHz: 0 } };

describe('the configuration that a node keeps', () => {
  it('is none, without a word, as long as nothing was configured', async () => {
    const { keeper, log, taken } = await keep();
    await keeper.look();
    expect(keeper).toMatchObject({ known: null, error: '' });
    expect([log, taken, existsSync(copy())]).toEqual([[], [], false]);
  });

  it('follows the store, fetching the document only when it changed', async () => {
    let fetched = 0;
    const config = { ...store.config, get: () => (fetched++, store.config.get()) };
    await store.config.set({ defaults: { rateHz: 20 } });
    const { keeper, taken } = await keep(config);
    await keeper.look();
    expect(fetched).toBe(1);
    await store.config.set({ defaults: { rateHz: 21 } });
    await keeper.look();
    expect(taken).toEqual([
      [1, { defaults: { rateHz: 20 } }, 'store'],
      [2, { defaults: { rateHz: 21 } }, 'store'],
    ]);
    expect(fetched).toBe(2);
  });

  it('refuses an invalid document once, with one line, and keeps the last good one until there is a better', async () => {
    await store.config.set({ defaults: { rateHz: 20 } });
    const { keeper, log, taken, refused } = await keep();
    await store.config.set(invalid);
    for (let i = 0; i < 3; i++) await keeper.look();
    const message =
      'configuration refused: version 2 in the store is not valid: defaults.rateHz: must be a whole number from 1 to 999; version 1 stays in force';
    expect(log).toEqual([`error: ${message}`]);
    expect(refused).toEqual([message]);
    expect(keeper).toMatchObject({ error: message, known: { revision: { version: 1 } } });
    // A restart does not make it valid.
    const again = await keep();
    expect(again.keeper).toMatchObject({ error: message, known: { revision: { version: 1 } } });
    await store.config.set({ defaults: { rateHz: 22 } });
    await keeper.look();
    expect(keeper.error).toBe('');
    expect(taken.map(([version]) => version)).toEqual([1, 3]);
  });

  it('refuses what cannot be read in the store, until it is put right', async () => {
    await store.config.set({ defaults: { rateHz: 20 } });
    const { keeper, log } = await keep();
    await store.config.set({ defaults: { rateHz: 21 } });
    const other = new DatabaseSync(join(dir, 'state.db'));
    other.exec(`UPDATE config_changes SET document = 'x'`);
    other.close();
    await keeper.look();
    await keeper.look();
    expect(log).toHaveLength(1);
    expect(keeper.error).toMatch(/is not readable; put it right with `perfleet config edit`; version 1 stays in force/);
    await store.config.set({});
    await keeper.look();
    expect(keeper).toMatchObject({ error: '', known: { document: {} } });
  });

  it('comes from the disk when the store is away, or lost everything, and the state says so', async () => {
    await store.config.set({ defaults: { rateHz: 20 } });
    await keep();
    const blank = openSqliteNodeState({ path: join(dir, 'blank.db') });
    const { keeper, taken, log } = await keep(blank.config);
    expect(taken).toEqual([[1, { defaults: { rateHz: 20 } }, 'disk']]);
    expect(log).toEqual([
      expect.stringMatching(/^error: .*holds no configuration any more.*version 1 stays in force$/),
    ]);
    // Version 1 again, and another one.
    await blank.config.set({ defaults: { rateHz: 30 } });
    await keeper.look();
    expect(keeper).toMatchObject({ error: '', known: { document: { defaults: { rateHz: 30 } } } });
    await blank.close();
    const third = await keep(blank.config);
    expect(third.taken).toEqual([[1, { defaults: { rateHz: 30 } }, 'disk']]);
    expect(third.keeper.error).toBe('');
    expect(third.log).toEqual([]);
  });

  it.each([
    ['cut short', () => writeFileSync(copy(), readFileSync(copy(), 'utf8').slice(0, 20))],
    ['empty', () => writeFileSync(copy(), '')],
    ['huge', () => writeFileSync(copy(), ' '.repeat(300_000))],
    ['not valid', () => writeFileSync(copy(), JSON.stringify({ version: 1, changedAt: 1, document: invalid }))],
  ])('survives a copy that is %s: one line, and the store makes it whole again', async (_, damage) => {
    await store.config.set({ defaults: { rateHz: 20 } });
    await keep();
    damage();
    const { keeper, log, taken } = await keep();
    expect(log).toEqual([
      expect.stringMatching(/^warn: the copy of the configuration .*fleet-config.json cannot be used: /),
    ]);
    expect(taken).toEqual([[1, { defaults: { rateHz: 20 } }, 'store']]);
    expect(keeper.error).toBe('');
    expect((await keep()).log).toEqual([]);
  });

  it('is in force though the disk takes no copy', async () => {
    mkdirSync(`${copy()}.new`);
    await store.config.set({ defaults: { rateHz: 20 } });
    const { taken, log } = await keep();
    expect(taken).toHaveLength(1);
    expect(log).toEqual([expect.stringMatching(/^warn: the configuration could not be kept on disk: /)]);
  });
});
