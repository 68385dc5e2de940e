import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  decodeProfileHeaders,
  nodeEventSchema,
  TOPICS,
  TOPIC_SPECS,
  type NodeEvent,
  type ProfileHeaders,
  type TopicName,
} from '@perfleet/messages';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { decodeProfiles } from '@perfleet/otlp';
import { encodeWindow, type SampleInput } from '@perfleet/sampler';
import { writeFakeSampler } from '@perfleet/sampler/testing';
import { openEmbeddedStream, StreamUnavailableError, type Stream, type StreamMessage } from '@perfleet/stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PodNames, SourceStatus } from '@perfleet/pods';
import type { CollectorDeps } from './collector-deps.ts';
import { createCollector, type CollectorApp } from './create-collector.ts';
import type { NodeDiscovery } from './discovery/node-discovery.ts';

const until = (condition: () => unknown) => vi.waitFor(condition, { timeout: 20_000, interval: 20 });
const logger = createLogger('test', { level: 'fatal' });

let dir: string;
let stream: Stream;
let nodeState: NodeStateStore;
let running: CollectorApp[] = [];
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'perfleet-collector-'));
  stream = await openEmbeddedStream({ path: join(dir, 'stream.db'), logger });
  await stream.ensureTopics(
    (Object.keys(TOPICS) as TopicName[]).map((name) => ({ name: `t.${TOPICS[name]}`, ...TOPIC_SPECS[name] })),
  );
  nodeState = openSqliteNodeState({ path: join(dir, 'state.db') });
});
afterEach(async () => {
  await Promise.all(running.map((c) => c.stop()));
  running = [];
  await nodeState.close();
  await stream.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Window `n` holds 2n + 1 samples and tells of one loss more than the one before. */
function windows(n: number): Uint8Array[] {
  let taken = 0;
  return Array.from({ length: n }, (_, i) => {
    const samples: SampleInput[] = [
      {
        process: { pid: 10, executable: '/bin/a' },
        count: i + 1,
        stack: [{ kind: 'kernel', function: 'f', file: '' }],
      },
      {
        process: { pid: 11, executable: '/bin/b' },
        count: i,
        stack: [{ kind: 'native', binary: { path: '/bin/b' }, address: 1n }],
      },
    ];
    taken += 2 * i + 2;
    return encodeWindow({ taken, lost: { 'map-full': i + 1 }, samples, start: 1n, end: 5_000_000_001n, period: 1n });
  });
}

function collector(more: Partial<CollectorDeps> = {}): CollectorApp {
  const samplerBinary =
    more.samplerBinary ?? writeFakeSampler(dir, { behaviour: 'steady', windows: windows(5), everyMs: 30 });
  const made = createCollector({
    ...{ stream, nodeState, logger, samplerBinary, topicPrefix: 't.', node: 'n1', cluster: 'c1', kubernetes: 'no' },
    dataDir: join(dir, 'collector'),
    ...more,
  });
  running.push(made);
  return made;
}

async function read(topic: string): Promise<StreamMessage[]> {
  const messages: StreamMessage[] = [];
  const high = (await stream.offsets(topic)).reduce((n, p) => n + Number(p.high - p.low), 0);
  const consumer = stream.consumer({
    group: `g${Math.random()}`,
    topics: [topic],
    open: () => ({
      onBatch: async (batch) => {
        messages.push(...batch.messages);
      },
    }),
  });
  await consumer.start();
  await until(() => expect(messages.length).toBe(high));
  await consumer.stop();
  return messages.sort((a, b) => Number(a.offset - b.offset));
}

async function profiles(): Promise<Array<{ headers: ProfileHeaders; samples: number }>> {
  return (await read(`t.${TOPICS.profiles}`)).map((m) => {
    const headers = decodeProfileHeaders(m.headers);
    if (!headers.ok) throw new Error(headers.error);
    const data = decodeProfiles(m.value!);
    const values = data.resources.flatMap((r) => r.profiles.flatMap((p) => [...p.samples.values.values]));
    return { headers: headers.value, samples: values.reduce((a, b) => a + b, 0) };
  });
}

async function events(): Promise<NodeEvent[]> {
  return (await read(`t.${TOPICS.events}`)).map((m) =>
    nodeEventSchema.parse(JSON.parse(Buffer.from(m.value!).toString())),
  );
}

/** taken = samples of messages 1..seq + lost, after every message of an epoch. */
function assertBalanced(messages: Array<{ headers: ProfileHeaders; samples: number }>): void {
  let stored = 0;
  messages.forEach(({ headers, samples }, i) => {
    stored += samples;
    const lost = Object.values(headers.lost).reduce((a, b) => a + b, 0);
    expect(headers.taken, `after message ${i}`).toBe(stored + lost);
  });
}

describe('collector', () => {
  it('publishes every window with counts that balance, the last one on stop included', async () => {
    const c = collector();
    await c.start();
    await until(() => expect(c.stats().state.published).toBeGreaterThan(3));
    const begin = performance.now();
    await c.stop();
    expect(performance.now() - begin).toBeLessThan(2500);
    const messages = await profiles();
    expect(messages.map((m) => m.headers.seq)).toEqual(messages.map((_, i) => i + 1));
    assertBalanced(messages);
    const n = messages.length;
    expect(messages.at(-1)!.headers).toMatchObject({ node: 'n1', taken: n * (n + 1), lost: { 'map-full': n } });
    expect((await events()).map((e) => e.kind)).toEqual(['started', 'stopped']);
    expect(await nodeState.list()).toEqual([]);
  });

  it('registers the node, alive, with rung and mode', async () => {
    const c = collector();
    await c.start();
    await until(async () => {
      const entry = await nodeState.get('n1');
      expect(entry).toMatchObject({ alive: true, state: { rung: 1, cluster: 'c1', kernel: 'fake', fallback: false } });
    });
  });

  it('keeps samples on disk while the stream is away, and sends them in order by the next run', async () => {
    const away: Stream = { ...bind(stream), producer: () => Promise.reject(new StreamUnavailableError('no broker')) };
    const first = collector({ stream: away });
    await first.start();
    await until(() => expect(first.stats().spooledBytes).toBeGreaterThan(1500));
    await first.stop();
    expect(await profiles()).toEqual([]);
    const second = collector({ samplerBinary: join(dir, 'missing') });
    await second.start();
    await until(() => expect(second.stats().spooledBytes).toBe(0));
    const messages = await profiles();
    expect(messages.length).toBeGreaterThan(1);
    expect(new Set(messages.map((m) => m.headers.epoch))).toEqual(new Set([first.stats().epoch]));
    expect(messages.map((m) => m.headers.seq)).toEqual(messages.map((_, i) => i + 1));
    assertBalanced(messages);
  });

  it('goes on without a sampler and says why', async () => {
    const c = collector({ samplerBinary: join(dir, 'missing') });
    await c.start();
    await until(async () => {
      const state = (await nodeState.get('n1'))?.state;
      expect(state).toMatchObject({ rung: 4, rungReason: expect.stringMatching(/does not exist; build it/) });
    });
  });

  it('reports crashes of the sampler', async () => {
    const c = collector({ samplerBinary: writeFakeSampler(dir, { behaviour: 'crash-above:2', windows: windows(2) }) });
    await c.start();
    await until(() => expect(c.stats().state).toMatchObject({ rung: 2, restarts: 3 }));
    await until(() => expect(c.stats().state.published).toBeGreaterThan(0));
    await c.stop();
    const seen = await events();
    expect(seen.map((e) => e.kind)).toEqual([
      'started',
      'sampler-crashed',
      'sampler-crashed',
      'sampler-crashed',
      'rung-changed',
      'stopped',
    ]);
    expect(seen[1]!.message).toMatch(/SIGSEGV.*map lookup failed/);
  });

  it('notices that the run before it was killed, and counts what that may have cost', async () => {
    const first = collector();
    await first.start();
    await until(() => expect(first.stats().state.published).toBe(25));
    const { epoch } = first.stats();
    const marker = join(dir, 'collector/running.json');
    const left = readFileSync(marker);
    await first.stop();
    expect(readdirSync(join(dir, 'collector'))).not.toContain('running.json');
    writeFileSync(marker, left);

    const second = collector({ samplerBinary: join(dir, 'missing') });
    await second.start();
    await until(() => expect(second.stats().spooledBytes).toBe(0));
    expect((await events()).map((e) => e.kind)).toContain('unclean-exit');
    const tail = (await profiles()).filter((m) => m.headers.epoch === epoch);
    assertBalanced(tail);
    expect(tail.at(-1)!.headers.lost).toMatchObject({ 'unclean-exit': 10 });
  });

  describe('a window with a cgroup that has no name yet', () => {
    const uid = 'b81d383b-ddb2-4df3-a67d-33a6b0f041b3';
    /** Knows the only cgroup from the n-th question on. */
    const discovery = (from: number): NodeDiscovery => {
      let asked = 0;
      const state = {
        ...({ mode: 'pods', fallback: false, reason: 'x', cgroupVersion: 'v2' } as const),
        ...{ podRoots: ['/kubepods'], kubeletMismatches: ['the kubelet declares cgroupDriver: systemd'] },
      };
      return {
        state,
        start: async () => undefined,
        stop: () => undefined,
        cgroupPath: () => '',
        place: async ({ processes }) => {
          const known = ++asked >= from;
          const place = known ? { podUid: uid, containerId: null } : { podUid: null, containerId: null };
          return { placements: Array.from(processes.pid, () => place), unnamed: known ? [] : ['v2:77'] };
        },
      };
    };
    const uids = async () =>
      (await read(`t.${TOPICS.profiles}`)).map((m) =>
        decodeProfiles(m.value!).resources.map(
          ({ attributes }) => attributes.find(([key]) => key === 'k8s.pod.uid')?.[1] ?? '',
        ),
      );

    it('waits for the next one, and is published with its name and in its order', async () => {
      const c = collector({ discovery: discovery(2) });
      await c.start();
      await until(() => expect(c.stats().state.published).toBe(25));
      expect(c.stats().state).toMatchObject({
        ...{ podRoots: ['/kubepods'], kubeletMismatches: ['the kubelet declares cgroupDriver: systemd'] },
      });
      await c.stop();
      for (const each of await uids()) expect(new Set(each)).toEqual(new Set([uid]));
      assertBalanced(await profiles());
    });

    it('waits only once for a name that never comes', async () => {
      const c = collector({ discovery: discovery(1000), windowSeconds: 1 });
      await c.start();
      await until(() => expect(c.stats().state.published).toBe(25));
      await c.stop();
      expect((await uids()).flat().every((each) => each === '')).toBe(true);
      assertBalanced(await profiles());
    });

    it('waits no longer than a window for a next one that does not come, and not at all on stop', async () => {
      const samplerBinary = writeFakeSampler(dir, { behaviour: 'steady', windows: windows(1), everyMs: 30 });
      const c = collector({ discovery: discovery(2), samplerBinary, windowSeconds: 1 });
      await c.start();
      await until(() => expect(c.stats().state.published).toBe(1));
      await c.stop();
      const again = collector({ discovery: discovery(2), samplerBinary, windowSeconds: 60 });
      await again.start();
      await until(() => expect(again.stats().sampler?.taken).toBe(1));
      await again.stop();
      expect((await uids()).flat()).toEqual([uid, uid]);
      assertBalanced((await profiles()).filter((m) => m.headers.epoch === again.stats().epoch));
    });
  });

  it('says which source of names is lost, and goes on with what it said last', async () => {
    const status: SourceStatus = { source: 'api-server', ok: false, error: 'gone', answeredAt: 1, pods: 3 };
    const podNames: PodNames = {
      start: () => new Promise(() => undefined),
      stop: () => undefined,
      lookup: () => {
        throw new Error('broken');
      },
      status: () => [status],
    };
    const c = collector({ podNames });
    await c.start();
    await until(() => expect(c.stats().state.published).toBeGreaterThan(0));
    expect(c.stats().state.modeReason).toContain(
      'names of pods: lost api-server (gone); what it said last stays in use',
    );
  });

  it('does not need the node state store', async () => {
    const closed = openSqliteNodeState({ path: join(dir, 'closed.db') });
    await closed.close();
    const c = collector({ nodeState: closed });
    await c.start();
    await until(() => expect(c.stats().state.published).toBeGreaterThan(0));
  });
});

function bind(inner: Stream): Stream {
  return {
    ensureTopics: (t) => inner.ensureTopics(t),
    producer: () => inner.producer(),
    consumer: (o) => inner.consumer(o),
    offsets: (t) => inner.offsets(t),
    close: async () => undefined,
  };
}
