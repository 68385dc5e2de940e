import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { issueToken, type TokenRecord } from '@perfleet/tokens';
import { startRedis, startRedisCluster, tempDir, type TestRedis, type TestRedisForm } from '@perfleet/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NodeStateUnavailableError } from './errors.ts';
import { openRedisNodeState } from './redis.ts';
import { openSqliteNodeState } from './sqlite.ts';
import type { NodeStateStore } from './store.ts';

const dir = tempDir();
afterAll(() => dir.remove());
let redis: TestRedis;
let cluster: TestRedisForm;
let files = 0;
beforeAll(async () => {
  [redis, cluster] = await Promise.all([startRedis(), startRedisCluster()]);
});
afterAll(() => Promise.all([redis.stop(), cluster.stop()]));

const record = (createdAt: number, more: Partial<TokenRecord> = {}): TokenRecord => ({
  ...{ hash: randomBytes(32).toString('hex'), name: 'x', scopes: ['read'], node: '', labels: {}, createdAt },
  ...{ expiresAt: null, revokedAt: null, ...more },
});

describe.each<[string, (name: string) => NodeStateStore]>([
  ['SQLite', (name) => openSqliteNodeState({ path: join(dir.path, `${name}.db`) })],
  ['Redis', (name) => openRedisNodeState({ url: redis.url, prefix: name })],
  ['a Redis Cluster', (name) => openRedisNodeState({ url: cluster.url, prefix: name })],
])('tokens in %s', (_, open) => {
  let name: string;
  let store: NodeStateStore;
  beforeEach(() => {
    name = `tokens-${files++}`;
    store = open(name);
    return () => store.close();
  });

  it('are found by their hash only, and listed oldest first', async () => {
    const [young, old] = [
      record(2000, { scopes: ['read'], labels: { namespace: ['shop', 'cart'] }, expiresAt: 9000 }),
      record(1000),
    ];
    await store.tokens.insert(young);
    await store.tokens.insert(old);
    expect(await store.tokens.find(young.hash)).toEqual(young);
    expect(await store.tokens.find(record(1).hash)).toBeNull();
    expect(await store.tokens.list()).toEqual([old, young]);
  });

  it('end earlier, never later', async () => {
    const token = record(1000);
    await store.tokens.insert(token);
    expect(await store.tokens.expire(token.hash, 5000)).toBe(true);
    expect(await store.tokens.expire(token.hash, 7000)).toBe(true);
    expect((await store.tokens.find(token.hash))!.expiresAt).toBe(5000);
    await store.tokens.expire(token.hash, 3000);
    expect(await store.tokens.revoke(token.hash, 2000)).toBe(true);
    await store.tokens.revoke(token.hash, 4000);
    expect(await store.tokens.find(token.hash)).toEqual({ ...token, expiresAt: 3000, revokedAt: 2000 });
    expect(await store.tokens.list()).toEqual([{ ...token, expiresAt: 3000, revokedAt: 2000 }]);
  });

  it('that are not there cannot be ended, and do not come to be by it', async () => {
    const { hash } = record(1);
    expect([await store.tokens.expire(hash, 1), await store.tokens.revoke(hash, 1)]).toEqual([false, false]);
    expect(await store.tokens.find(hash)).toBeNull();
  });

  it('are seen by other processes, and are not in the store as text', async () => {
    const { token, record: issued } = await issueToken(store.tokens, { name: 'x', scopes: ['read'] });
    const other = open(name);
    expect(await other.tokens.find(issued.hash)).toEqual(issued);
    expect(JSON.stringify(await other.tokens.list())).not.toContain(token.slice(4));
    await other.close();
  });

  it('reject after the store was closed', async () => {
    await store.close();
    await expect(store.tokens.find('00')).rejects.toBeInstanceOf(NodeStateUnavailableError);
  });
});

describe('tokens in Redis', () => {
  it('allow nothing when something else wrote them', async () => {
    const store = openRedisNodeState({ url: redis.url, prefix: 'hostile' });
    const { hash } = record(1);
    const other = new Redis(redis.url);
    await other.hset('hostile:tokens', hash, '{"hash":', 'x', JSON.stringify({ ...record(1), scopes: ['root'] }));
    other.disconnect();
    expect(await store.tokens.find(hash)).toBeNull();
    expect(await store.tokens.list()).toEqual([]);
    await store.close();
  });
});
