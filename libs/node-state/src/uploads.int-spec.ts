import { join } from 'node:path';
import { startRedis, startRedisCluster, tempDir, waitFor, type TestRedis, type TestRedisForm } from '@perfleet/testing';
import { MAX_CONTENTS, type LeaseLimits, type UploadLease } from '@perfleet/uploads';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
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

const limits: LeaseLimits = { ttlMs: 60_000, leasesPerNode: 2, bytesPerNodeAndDay: 1000 };
const lease = (node: string, content = 'aa', size = 10): UploadLease => ({
  id: `${node}-${content}`,
  gnu: '0123456789',
  content: content.repeat(16),
  node,
  size,
});

describe.each<[string, (name: string) => NodeStateStore]>([
  ['SQLite', (name) => openSqliteNodeState({ path: join(dir.path, `${name}.db`) })],
  ['Redis', (name) => openRedisNodeState({ url: redis.url, prefix: name })],
  ['a Redis Cluster', (name) => openRedisNodeState({ url: cluster.url, prefix: name })],
])('leases of uploads in %s', (_, open) => {
  let name: string;
  let store: NodeStateStore;
  beforeEach(() => {
    name = `uploads-${files++}`;
    store = open(name);
    return () => store.close();
  });

  it('are granted to one of many that ask at once, over several symbolizers', async () => {
    const other = open(name);
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, i) => [store, other][i % 2]!.uploads.acquire(lease(`n${i}`), limits)),
    );
    expect(results.filter(({ result }) => result === 'granted')).toHaveLength(1);
    const held = results.filter((answer) => answer.result === 'held');
    expect(held).toHaveLength(199);
    for (const { forMs } of held) expect(forMs).toBeGreaterThan(50_000);
    await other.close();
  });

  it('are the same for who asks again, prolonged by renewing, and over when released', async () => {
    const { uploads } = store;
    expect(await uploads.acquire(lease('a'), limits)).toEqual({ result: 'granted' });
    expect(await uploads.acquire(lease('a'), limits)).toEqual({ result: 'granted' });
    expect(await uploads.renew('a-aa', 60_000)).toEqual(lease('a'));
    await uploads.release(lease('a'));
    expect(await uploads.renew('a-aa', 60_000)).toBeNull();
    expect(await uploads.acquire(lease('b'), limits)).toEqual({ result: 'granted' });
  });

  it('end by themselves, and then belong to the next one', async () => {
    const { uploads } = store;
    await uploads.acquire(lease('a'), { ...limits, ttlMs: 30 });
    await waitFor(async () => (await uploads.acquire(lease('b'), limits)).result === 'granted', {
      timeoutMs: 5000,
      what: 'the end of the lease',
    });
    expect(await uploads.renew('a-aa', 60_000)).toBeNull();
    // What the one before does late does not end the lease of the next.
    await uploads.release(lease('a'));
    expect(await uploads.renew('b-aa', 60_000)).toEqual(lease('b'));
  });

  it('are bounded for each node: at once, and in bytes of a day', async () => {
    const { uploads } = store;
    const ask = async (content: string, size: number) =>
      (await uploads.acquire(lease('a', content, size), limits)).result;
    expect([await ask('aa', 600), await ask('bb', 401)]).toEqual(['granted', 'over-quota']);
    expect([await ask('bb', 400), await ask('cc', 1)]).toEqual(['granted', 'too-many-leases']);
    await uploads.release(lease('a', 'aa'));
    expect(await ask('cc', 1)).toBe('over-quota');
    // Asking again for what is held costs nothing.
    expect(await ask('bb', 400)).toBe('granted');
    expect((await uploads.acquire(lease('b', 'cc', 1000), limits)).result).toBe('granted');
  });

  it('remember contents of a build id in their order, also over a restart, and not without bound', async () => {
    expect(await store.uploads.contents('aabb')).toEqual([]);
    await store.uploads.addContent('aabb', 'first');
    await store.uploads.addContent('aabb', 'second');
    expect(await store.uploads.addContent('aabb', 'first')).toEqual(['first', 'second']);
    await store.close();
    store = open(name);
    expect(await store.uploads.contents('aabb')).toEqual(['first', 'second']);
    for (let i = 0; i < 20; i++) await store.uploads.addContent('aabb', `more ${i}`);
    const all = await store.uploads.addContent('aabb', 'last');
    expect(all).toHaveLength(MAX_CONTENTS);
    expect(all.slice(0, 2)).toEqual(['first', 'second']);
    expect(all).not.toContain('last');
    expect(await store.uploads.contents('aabc')).toEqual([]);
  });

  it('remember why the last upload came to nothing', async () => {
    expect(await store.uploads.refusal('aa')).toBeNull();
    await store.uploads.refuse('aa', 'one');
    await store.uploads.refuse('aa', 'two');
    expect(await store.uploads.refusal('aa')).toBe('two');
  });
});
