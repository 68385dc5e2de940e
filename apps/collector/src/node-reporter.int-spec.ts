import { nodeStateSchema, type NodeState } from '@perfleet/messages';
import { openRedisNodeState, type NodeEntry, type NodeStateStore } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import { requireTool, startRedis, waitFor, type TestRedis } from '@perfleet/testing';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodeReporter } from './node-reporter.ts';

const tool = requireTool('redis-server');
const EVERY_MS = 200;

describe.skipIf(!tool.available)(`reports to a Redis at fault${tool.reason && ` (skipped: ${tool.reason})`}`, () => {
  let redis: TestRedis;
  let store: NodeStateStore;
  let reporter: NodeReporter;
  let rung = 1;
  const said: string[] = [];
  const note = (_: unknown, message?: string) => void said.push(message ?? String(_));
  const logger = { info: note, warn: note } as unknown as Logger;
  const state = (): NodeState =>
    nodeStateSchema.parse({
      ...{ node: 'a', epoch: '00000000000000aa', startedAt: 1, updatedAt: Date.now(), mode: 'pods', fallback: false },
      ...{ modeReason: '', rung, rungReason: '', rateHz: 19 },
    });

  beforeEach(async () => {
    rung = 1;
    said.length = 0;
    redis = await startRedis();
    store = openRedisNodeState({ url: redis.url, timeoutMs: 300 });
    reporter = new NodeReporter({ store, state, everyMs: EVERY_MS, logger });
    reporter.start();
    await seen((entry) => entry.alive);
  });
  afterEach(async () => {
    await reporter.leave().catch(() => undefined);
    await store.close();
    await redis.stop();
  });

  /** What a reader of its own sees. */
  async function seen(wanted: (entry: NodeEntry) => boolean): Promise<void> {
    const reader = openRedisNodeState({ url: redis.url, timeoutMs: 300 });
    try {
      await waitFor(async () => wanted((await reader.get('a'))!), { timeoutMs: 20_000, what: 'the state of the node' });
    } finally {
      await reader.close();
    }
  }
  const right = (entry: NodeEntry) => entry.alive && entry.state.rung === 3;

  /** What the node says changes while nobody can hear it; the next heartbeat after the fault must say it. */
  const faults: Array<[string, () => Promise<() => Promise<void>>]> = [
    [
      'restarted',
      async () => {
        await redis.stop();
        return async () => void (redis = await startRedis({ port: redis.port }));
      },
    ],
    [
      'emptied',
      async () => {
        const other = new Redis(redis.url);
        await other.flushall();
        other.disconnect();
        return async () => undefined;
      },
    ],
    [
      'frozen',
      async () => {
        redis.pause();
        return async () => redis.resume();
      },
    ],
    [
      'full',
      async () => {
        const other = new Redis(redis.url);
        await other.config('SET', 'maxmemory-policy', 'noeviction');
        await other.config('SET', 'maxmemory', '1');
        return async () => {
          await other.config('SET', 'maxmemory', '0');
          other.disconnect();
        };
      },
    ],
  ];
  it.each(faults)(
    '%s: the state is right again with the next heartbeat, and the log says it once',
    async (name, breakIt) => {
      const mend = await breakIt();
      rung = 3;
      reporter.report();
      if (name !== 'emptied') await waitFor(() => said.length > 0, { timeoutMs: 20_000, what: 'a report that failed' });
      await mend();
      await seen(right);
      const both = ['the node state store is away; profiling goes on', 'the node state store is back'];
      const told = name === 'emptied' ? [] : both;
      await waitFor(() => said.length === told.length, { timeoutMs: 20_000, what: 'the end of the outage in the log' });
      expect(said).toEqual(told);
    },
  );

  it('frozen for many heartbeats: reports do not pile up', async () => {
    redis.pause();
    rung = 3;
    for (let i = 0; i < 1000; i++) reporter.report();
    redis.resume();
    await seen(right);
  });
});
