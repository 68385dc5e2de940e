import { nodeStateSchema } from '@perfleet/messages';
import {
  requireTool,
  startRedisCluster,
  startRedisSentinel,
  startRedisTls,
  waitFor,
  type TestRedisForm,
} from '@perfleet/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { openRedisNodeState } from './redis.ts';
import type { NodeStateStore } from './store.ts';

const missing = ['redis-server', 'openssl'].map(requireTool).find((tool) => !tool.available);
const state = (node: string) =>
  nodeStateSchema.parse({
    ...{ node, epoch: 'e', startedAt: 1, updatedAt: 1000, mode: 'pods', fallback: false, modeReason: '' },
    ...{ rung: 1, rungReason: '', rateHz: 19 },
  });
const patience = (what: string) => ({ timeoutMs: 20_000, what });

/** Every form that a Redis comes in, with every kind of call: single keys, transactions, scripts over several keys. */
describe.skipIf(missing)(`forms of Redis${missing ? ` (skipped: ${missing.reason})` : ''}`, () => {
  let form: TestRedisForm | null = null;
  const stores: NodeStateStore[] = [];
  const open = (url: string, prefix?: string, timeoutMs = 3000) => {
    const store = openRedisNodeState({ url, prefix, timeoutMs });
    stores.push(store);
    return store;
  };
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
    await form?.stop();
    form = null;
  });

  async function works(store: NodeStateStore): Promise<void> {
    await waitFor(() => store.put(state('a')).then(() => true), patience('a first put'));
    await store.heartbeat('a', 'e', 60_000);
    await store.restore([]);
    expect(await store.isBlank()).toBe(false);
    expect(await store.list()).toMatchObject([{ alive: true, liveEpochs: ['e'], state: { node: 'a' } }]);
    expect(await store.config.set({ rateHz: 5 }, 0)).toBe(1);
    expect(await store.alerts.lead('me', 60_000)).toBe(true);
    expect(await store.alerts.commit('me', { put: [], remove: ['x'], history: [] })).toBe(true);
    expect(await store.alerts.snapshot(10)).toMatchObject({ complete: false });
    await store.deregister('a');
    expect(await store.list()).toEqual([]);
  }

  it('a cluster of three masters: what a call touches is on one of them, whichever it is', async () => {
    form = await startRedisCluster();
    // These lie on different masters; the client was told of one.
    for (const prefix of ['perfleet', 'test-perfleet', 'p3', 'p4', 'p5']) await works(open(form.url, prefix));
  });

  it.each(['killed', 'frozen'])(
    'a sentinel, whose master is %s: the replica takes over, with what was written',
    async (how) => {
      const sentinel = await startRedisSentinel();
      form = sentinel;
      const store = open(sentinel.url, undefined, 500);
      await works(store);
      await store.put(state('before'));
      await store.heartbeat('before', 'e', 60_000);
      await sentinel.inStep();
      if (how === 'killed') await sentinel.master.stop();
      else sentinel.master.pause();
      await sentinel.failedOver();
      await waitFor(() => store.put(state('after')).then(() => true), patience('a put at the new master'));
      expect(await store.list()).toMatchObject([
        { alive: false, state: { node: 'after' } },
        { alive: true, state: { node: 'before' } },
      ]);
    },
  );

  it('TLS, whose certificate is verified: its authority and its name', async () => {
    const tls = await startRedisTls();
    form = tls;
    await works(open(tls.url));
    await expect(open(tls.unverified, undefined, 1000).list()).rejects.toThrow(/self.signed certificate/);
    await expect(open(tls.otherName, undefined, 1000).list()).rejects.toThrow(/Hostname\/IP does not match/);
  });
});
