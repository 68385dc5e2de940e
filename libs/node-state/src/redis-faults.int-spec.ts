import { nodeStateSchema, type NodeState } from '@perfleet/messages';
import { requireTool, startRedis, waitFor, type TestRedis } from '@perfleet/testing';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { NodeStateUnavailableError } from './errors.ts';
import { openRedisNodeState } from './redis.ts';
import type { NodeStateStore } from './store.ts';

const tool = requireTool('redis-server');
const state = (node: string): NodeState =>
  nodeStateSchema.parse({
    ...{ node, epoch: 'e', startedAt: 1, updatedAt: 1000, mode: 'pods', fallback: false, modeReason: '' },
    ...{ rung: 1, rungReason: '', rateHz: 19 },
  });
const TIMEOUT_MS = 400;
/** What the store promises: a call ends within the wait for a connection and one command, on a busy machine too. */
const SOON_MS = 4 * TIMEOUT_MS;

describe.skipIf(!tool.available)(`Redis at fault${tool.reason && ` (skipped: ${tool.reason})`}`, () => {
  let server: TestRedis;
  let store: NodeStateStore;
  afterEach(async () => {
    await store.close();
    await server.stop();
  });
  const open = () => (store = openRedisNodeState({ url: server.url, timeoutMs: TIMEOUT_MS }));
  const back = () =>
    waitFor(() => store.put(state('b')).then(() => true), { timeoutMs: 20_000, what: 'a put after the fault' });

  async function failsSoon(): Promise<string[]> {
    const calls = [
      () => store.put(state('a')),
      () => store.heartbeat('a', 'e', 1000),
      () => store.list(),
      () => store.get('a'),
      () => store.deregister('nobody'),
      () => store.isBlank(),
      () => store.restore([]),
      () => store.config.get(),
      () => store.config.set({}),
      () => store.alerts.lead('me', 1000),
      () => store.alerts.records(),
      () => store.alerts.commit('me', { put: [], remove: [], history: [] }),
      () => store.alerts.silences(),
      () => store.alerts.history(1),
    ];
    const messages = [];
    for (const call of calls) {
      const begin = performance.now();
      const error = await call().then(
        () => null,
        (reason: unknown) => reason as Error,
      );
      expect(error).toBeInstanceOf(NodeStateUnavailableError);
      expect(performance.now() - begin).toBeLessThan(SOON_MS);
      messages.push(error!.message);
    }
    return messages;
  }

  it('gone and back, empty: calls fail soon, then work, and the registry is blank', async () => {
    server = await startRedis();
    open();
    await store.put(state('a'));
    await store.restore([]);
    await server.stop();
    await failsSoon();
    server = await startRedis({ port: server.port });
    await back();
    expect((await store.list()).map((e) => e.state.node)).toEqual(['b']);
    expect(await store.isBlank()).toBe(true);
  });

  it('back after a long time: the first call finds it, at whatever moment of the back-off it comes', async () => {
    server = await startRedis();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      open();
      await store.put(state('a'));
      const passing = async (ms: number) => {
        await vi.advanceTimersByTimeAsync(ms);
        await new Promise((resolve) => setImmediate(resolve));
      };
      for (let moment = 0; moment < 2000; moment += TIMEOUT_MS / 2) {
        await server.stop();
        for (let passed = 0; passed < 5000 + moment; passed += 100) await passing(100);
        server = await startRedis({ port: server.port });
        let found: boolean | null = null;
        void store.put(state('b')).then(
          () => (found = true),
          () => (found = false),
        );
        // Half of what a call may wait; then the answer itself is waited for, in real time.
        for (let passed = 0; passed < TIMEOUT_MS / 2; passed += 50) await passing(50);
        const other = new Redis(server.url);
        for (let rounds = 0; rounds < 200 && found === null; rounds++) await other.ping();
        other.disconnect();
        expect(found, `back ${moment} ms after a second`).toBe(true);
      }
    } finally {
      vi.useRealTimers();
    }
  });

  it('emptied while it runs: scripts are loaded again, and the registry is blank', async () => {
    server = await startRedis();
    open();
    await store.put(state('a'));
    await store.heartbeat('a', 'e', 60_000);
    await store.restore([]);
    const other = new Redis(server.url);
    await other.flushall();
    await other.script('FLUSH');
    other.disconnect();
    expect(await store.isBlank()).toBe(true);
    await store.put(state('a'));
    await store.heartbeat('a', 'e', 60_000);
    expect(await store.list()).toMatchObject([{ alive: true, state: { node: 'a' } }]);
  });

  it('frozen: calls fail soon, and what was there is there when it thaws', async () => {
    server = await startRedis();
    open();
    await store.put(state('a'));
    server.pause();
    await failsSoon();
    server.resume();
    await back();
    expect((await store.list()).map((e) => e.state.node)).toEqual(['a', 'b']);
  });

  it('frozen from the start: calls fail soon', async () => {
    server = await startRedis();
    server.pause();
    open();
    await failsSoon();
    server.resume();
    await back();
  });

  it('full: writes fail with its words, reading goes on, nothing is half written', async () => {
    server = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
    open();
    await store.put(state('a'));
    const other = new Redis(server.url);
    await other.config('SET', 'maxmemory', '1');
    await expect(store.put(state('c'))).rejects.toThrow(/OOM command not allowed|EXECABORT/);
    await expect(store.heartbeat('a', 'e', 60_000)).rejects.toThrow(/OOM command not allowed/);
    await expect(store.alerts.lead('me', 60_000)).rejects.toBeInstanceOf(NodeStateUnavailableError);
    expect(await store.list()).toMatchObject([{ alive: false, state: { node: 'a' } }]);
    await other.config('SET', 'maxmemory', '0');
    other.disconnect();
    await store.heartbeat('a', 'e', 60_000);
    expect(await store.list()).toMatchObject([{ alive: true, state: { node: 'a' } }]);
  });
});
