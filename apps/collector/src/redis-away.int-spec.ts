import { join } from 'node:path';
import {
  decodeProfileHeaders,
  nodeEventSchema,
  TOPICS,
  TOPIC_SPECS,
  type NodeState,
  type TopicName,
} from '@perfleet/messages';
import { openRedisNodeState } from '@perfleet/node-state';
import { createLogger, type Logger } from '@perfleet/observability';
import { encodeWindow } from '@perfleet/sampler';
import { writeFakeSampler } from '@perfleet/sampler/testing';
import { openEmbeddedStream, readTopic, type Stream, type StreamMessage } from '@perfleet/stream';
import { requireTool, startRedis, tempDir, waitFor } from '@perfleet/testing';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createCollector } from './create-collector.ts';
import type { DiscoveryState, NodeDiscovery } from './discovery/node-discovery.ts';

const tool = requireTool('redis-server');
const WINDOW_MS = 5000;
const HEARTBEAT_MS = 10_000;
/** How long a call to the store may wait for its connection. */
const CALL_MS = 1500;

/** Time stands still for the collector, its clients and their timers, but for what the test lets pass. Sockets and processes are real. */
const takeTheClock = () =>
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
  });

/** A discovery that the test moves from mode to mode. */
function movedDiscovery() {
  const of = (mode: DiscoveryState['mode']): DiscoveryState => ({
    ...{
      mode,
      fallback: mode !== 'pods',
      reason: `now ${mode}`,
      podRoots: [],
      kubeletMismatches: [],
      cgroupVersion: 'v2',
    },
  });
  let state = of('pods');
  let tell: Parameters<NodeDiscovery['start']>[0] = () => undefined;
  const discovery: NodeDiscovery = {
    get state() {
      return state;
    },
    start: async (onChange) => void (tell = onChange),
    stop: () => undefined,
    cgroupPath: () => '',
    place: async ({ processes }) => ({
      placements: Array.from(processes.pid, () => ({ podUid: null, containerId: null })),
      unnamed: [],
    }),
  };
  const move = (mode: DiscoveryState['mode']) => {
    const before = state;
    tell((state = of(mode)), before);
  };
  return { discovery, move };
}

/** Every window has one sample. */
function windows(n: number): Uint8Array[] {
  const stack = [{ kind: 'kernel' as const, function: 'f', file: '' }];
  const samples = [{ process: { pid: 10, executable: '/bin/a' }, count: 1, stack }];
  return Array.from({ length: n }, (_, i) =>
    encodeWindow({ taken: i + 1, lost: {}, samples, start: 1n, end: 2n, period: 1n }),
  );
}

async function messagesOf(stream: Stream, topic: string): Promise<StreamMessage[]> {
  const messages: StreamMessage[] = [];
  await readTopic(stream, topic, { group: 'test', onMessage: (message) => void messages.push(message) });
  return messages;
}

describe.skipIf(!tool.available)(`Redis away for ten minutes${tool.reason && ` (skipped: ${tool.reason})`}`, () => {
  afterEach(() => void vi.useRealTimers());

  it('touches neither sampling nor delivery, loses no event, and has the right state a heartbeat after its return', async () => {
    const dir = tempDir();
    let redis = await startRedis();
    const stream = await openEmbeddedStream({ path: join(dir.path, 'stream.db') });
    const topics = (Object.keys(TOPICS) as TopicName[]).map((name) => ({ name: TOPICS[name], ...TOPIC_SPECS[name] }));
    await stream.ensureTopics(topics);
    const said: string[] = [];
    const note = (first: unknown, message?: string) => void said.push(message ?? String(first));
    const logger = {
      ...createLogger('test', { level: 'silent' }),
      info: note,
      warn: note,
      error: note,
    } as unknown as Logger;
    const { discovery, move } = movedDiscovery();
    const samplerBinary = writeFakeSampler(dir.path, { behaviour: 'steady', windows: windows(2000), everyMs: 8 });

    takeTheClock();
    const nodeState = openRedisNodeState({ url: redis.url, timeoutMs: CALL_MS });
    const collector = createCollector({
      ...{ stream, nodeState, logger, samplerBinary, discovery, topicPrefix: '', node: 'n1', cluster: 'c1' },
      ...{ dataDir: join(dir.path, 'collector'), doctor: false, windowSeconds: WINDOW_MS / 1000 },
    });
    const kinds = ['started'];
    const changeTo = (mode: DiscoveryState['mode']) => (move(mode), kinds.push('mode-changed'));
    /** Lets so much time pass, with a window delivered in each five seconds of it. */
    const pass = async (ms: number) => {
      for (let left = ms, passed = 0; left > 0; passed += WINDOW_MS) {
        const part = Math.min(left, WINDOW_MS);
        const { published } = collector.stats().state;
        // In pieces, so that every wait of a client gets its turn at about its own time.
        for (let done = 0; done < part; done += 250) {
          await vi.advanceTimersByTimeAsync(Math.min(250, part - done));
          await new Promise((resolve) => setImmediate(resolve));
        }
        left -= part;
        await waitFor(() => collector.stats().state.published > published, {
          timeoutMs: 20_000,
          intervalMs: 1,
          what: `a window ${passed} ms into the outage`,
        });
        expect(collector.stats()).toMatchObject({ streamAway: false, state: { rung: 1, restarts: 0 } });
      }
    };
    /** @returns the time that passed until a reader of its own saw `right`, milliseconds */
    const untilSeen = async (right: (state: NodeState) => boolean) => {
      const reader = new Redis(redis.url);
      try {
        for (let passed = 0; passed < 10 * HEARTBEAT_MS; passed += 250) {
          // While no time passes, whatever the collector has begun goes on: a round of its own sockets for each of the reader's.
          for (let round = 0; round < 20; round++) {
            const text = await reader.hget('perfleet:nodes', 'n1');
            const alive = (await reader.zcard('perfleet:heartbeats')) > 0;
            if (alive && text !== null && right(JSON.parse(text) as NodeState)) return passed;
          }
          await vi.advanceTimersByTimeAsync(250);
        }
        throw new Error('the state was never right');
      } finally {
        reader.disconnect();
      }
    };

    try {
      await collector.start();
      await untilSeen((state) => state.mode === 'pods');
      // Ten minutes once; then shorter ones that end at other moments of heartbeat and back-off.
      for (const [i, awayMs] of [600_000, 18_250, 19_000, 19_750, 15_500].entries()) {
        await redis.stop();
        await pass(awayMs / 2);
        const mode = i % 2 === 0 ? 'whole-system' : 'pods';
        changeTo(mode);
        await pass(awayMs / 2);
        redis = await startRedis({ port: redis.port });
        const rightAfter = await untilSeen((state) => state.mode === mode);
        expect(rightAfter, `away for ${awayMs} ms`).toBeLessThanOrEqual(HEARTBEAT_MS + CALL_MS / 2);
        // The answer to the heartbeat may come a moment after the reader's.
        const told = () => said.filter((line) => line.startsWith('the node state store'));
        await waitFor(() => told().length >= 2 * (i + 1), { timeoutMs: 20_000, what: 'the return in the log' });
        expect(told().slice(2 * i)).toEqual([
          'the node state store is away; profiling goes on',
          'the node state store is back',
        ]);
      }
    } finally {
      vi.useRealTimers();
      await collector.stop();
      await nodeState.close();
      await redis.stop();
    }
    const headers = (await messagesOf(stream, TOPICS.profiles)).map((m) => {
      const decoded = decodeProfileHeaders(m.headers);
      if (!decoded.ok) throw new Error(decoded.error);
      return decoded.value;
    });
    expect(headers.length).toBeGreaterThan(600_000 / WINDOW_MS);
    expect(headers.map(({ seq }) => seq)).toEqual(headers.map((_, i) => i + 1));
    expect(headers.at(-1)).toMatchObject({ taken: headers.length, lost: {} });
    const events = (await messagesOf(stream, TOPICS.events)).map(({ value }) =>
      nodeEventSchema.parse(JSON.parse(Buffer.from(value!).toString())),
    );
    expect(events.map(({ kind }) => kind)).toEqual([...kinds, 'stopped']);
    await stream.close();
    dir.remove();
  });
});
