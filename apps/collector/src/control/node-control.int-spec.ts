import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FleetConfig } from '@perfleet/fleet-config';
import {
  nodeEventSchema,
  TOPICS,
  TOPIC_SPECS,
  type NodeEvent,
  type NodeState,
  type TopicName,
} from '@perfleet/messages';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { samplerBinaryPath } from '@perfleet/sampler';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import { tempDir, waitFor } from '@perfleet/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCollector, type CollectorApp } from '../create-collector.ts';

const binary = samplerBinaryPath();
const reason = process.getuid?.() !== 0 ? 'needs root' : existsSync(binary) ? '' : 'the native build is missing';
const logger = createLogger('test', { level: 'fatal' });

/** The real sampler on the real kernel, told what to do through the store. */
describe.skipIf(reason !== '')(`a collector under control${reason && ` (skipped: ${reason})`}`, () => {
  let scratch: ReturnType<typeof tempDir>;
  let stream: Stream;
  let nodeState: NodeStateStore;
  let collector: CollectorApp;

  beforeEach(async () => {
    scratch = tempDir();
    stream = await openEmbeddedStream({ path: join(scratch.path, 'stream.db'), logger });
    await stream.ensureTopics(
      (Object.keys(TOPICS) as TopicName[]).map((name) => ({ name: TOPICS[name], ...TOPIC_SPECS[name] })),
    );
    nodeState = openSqliteNodeState({ path: join(scratch.path, 'state.db') });
    collector = createCollector({
      ...{ stream, nodeState, logger, topicPrefix: '', node: 'n1', cluster: 'c1', kubernetes: 'no', doctor: false },
      ...{ dataDir: join(scratch.path, 'collector'), samplerBinary: binary, rateHz: 49, windowSeconds: 1 },
      configPollMs: 100,
    });
  });
  afterEach(async () => {
    await collector.stop();
    await nodeState.close();
    await stream.close();
    scratch.remove();
  });

  const configure = (document: FleetConfig) => nodeState.config.set(document);
  /** As everybody else sees it: from the registry. */
  const reported = async (what: string, wanted: (state: NodeState) => boolean): Promise<NodeState> => {
    let state: NodeState | undefined;
    await waitFor(async () => (state = (await nodeState.get('n1'))?.state) !== undefined && wanted(state), {
      timeoutMs: 60_000,
      what,
    });
    return state!;
  };
  const events = async (): Promise<NodeEvent[]> => {
    const seen: NodeEvent[] = [];
    const consumer = stream.consumer({
      group: 'test',
      topics: [TOPICS.events],
      open: () => ({
        onBatch: async ({ messages }) => {
          for (const { value } of messages)
            seen.push(nodeEventSchema.parse(JSON.parse(Buffer.from(value!).toString())));
        },
      }),
    });
    await consumer.start();
    await waitFor(() => seen.some((event) => event.kind === 'stopped'), { timeoutMs: 20_000, what: 'the events' });
    await consumer.stop();
    return seen;
  };

  it('lowers its rate when it is over its budget, says so, and recovers when the budget is raised', async () => {
    const judge = { windowSeconds: 1, calmSeconds: 1, minRateHz: 20, lowestRung: 1, memoryMib: null } as const;
    await configure({ defaults: { budget: { ...judge, cpuPercent: 0.001 } } });
    await collector.start();
    const low = await reported('the lowest rate', (state) => state.governor === 'exhausted');
    expect(low).toMatchObject({ rateHz: 20, rateWanted: 49, configVersion: 1, rung: 1, restarts: 0 });
    expect(low.governorReason).toMatch(
      /^over the budget \(0.001 %\) with nothing left to lower: CPU [\d.]+ % of one core/,
    );
    expect(low.cpuPercent).toBeGreaterThan(0.001);

    await configure({ defaults: { budget: { ...judge, cpuPercent: 100_000 } } });
    const high = await reported('the rate as configured', (state) => state.governor === 'ok');
    expect(high).toMatchObject({ rateHz: 49, governorReason: '', configVersion: 2, restarts: 0 });
    await collector.stop();
    const told = (await events()).filter((event) => /governor|config/.test(event.kind)).map((event) => event.message);
    expect(told).toEqual([
      expect.stringMatching(/^configuration version 1: budget.cpuPercent 50 -> 0.001, budget.memoryMib 448 -> null/),
      expect.stringMatching(
        /^governor: rate 49 Hz -> 20 Hz: CPU [\d.]+ % of one core over 1 s, the budget is 0.001 %$/,
      ),
      expect.stringMatching(/^governor: over the budget .*; raise the budget, or allow a lower rate or rung$/),
      'configuration version 2: budget.cpuPercent 0.001 -> 100000',
      expect.stringMatching(/^governor: rate 20 Hz -> 25 Hz: below the budget/),
      expect.stringMatching(/^governor: rate 25 Hz -> 49 Hz: below the budget/),
    ]);
  });

  it('uses a worse rung when the rate is not enough, and goes back to the better one', async () => {
    const judge = { windowSeconds: 1, calmSeconds: 1, minRateHz: 49, lowestRung: 2, cpuPercent: null } as const;
    await configure({ defaults: { budget: { ...judge, memoryMib: 1 } } });
    await collector.start();
    const low = await reported('rung 2', (state) => state.governor === 'exhausted' && state.rung === 2);
    expect(low).toMatchObject({ rungWanted: 1, rateHz: 49, restarts: 0, lastExit: '' });
    expect(low.rungReason).toMatch(/^lowered by the governor: memory \d+ MiB, the budget is 1 MiB/);
    await configure({ defaults: { budget: { ...judge, memoryMib: null } } });
    expect(await reported('rung 1', (state) => state.rung === 1)).toMatchObject({ rungReason: '', governor: 'off' });
  });

  it('takes rate, window and rung while it runs, for this node alone, and keeps what it has when the next one is bad', async () => {
    await collector.start();
    await reported('the first window', (state) => state.rung === 1 && state.taken > 0);
    const started = collector.stats().epoch;
    await configure({ defaults: { rateHz: 5 }, overrides: [{ nodes: ['n?'], settings: { rateHz: 97 } }] });
    expect(await reported('97 Hz', (state) => state.rateHz === 97)).toMatchObject({ rung: 1, rateWanted: 97 });
    await configure({ overrides: [{ nodes: ['n1'], settings: { rung: 2, windowSeconds: 2 } }] });
    const moved = await reported('rung 2', (state) => state.rung === 2);
    expect(moved).toMatchObject({ rateHz: 49, rungWanted: 2, rungReason: '', restarts: 0, configVersion: 2 });
    await nodeState.config.set({ defaults: { rateHz: 'fast' } });
    const kept = await reported('the refusal', (state) => state.configError !== '');
    expect(kept).toMatchObject({ configVersion: 2, rateHz: 49, rung: 2 });
    expect(kept.configError).toMatch(/version 3 in the store is not valid: defaults.rateHz: must be a whole number/);
    const { taken } = kept;
    await reported('more samples', (state) => state.taken > taken);
    expect(collector.stats().epoch).toBe(started);
    await collector.stop();
    const kinds = (await events()).map((event) => event.kind);
    expect(kinds).toEqual([
      ...['started', 'config-changed', 'config-changed', 'rung-changed', 'config-refused', 'stopped'],
    ]);
  });
});
