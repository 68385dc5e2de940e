import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fleetConfigSchema } from '@perfleet/fleet-config';
import { decodeProfileHeaders, TOPICS, TOPIC_SPECS } from '@perfleet/messages';
import { openSqliteNodeState } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { encodeWindow } from '@perfleet/sampler';
import { writeFakeSampler } from '@perfleet/sampler/testing';
import { openEmbeddedStream, readTopic, type StreamMessage } from '@perfleet/stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LastGoodFile } from './control/last-good.ts';
import { createCollector } from './create-collector.ts';
import { startEarly, type SamplerDeps } from './early-sampler.ts';

const logger = createLogger('test', { level: 'fatal' });
const windows = [2, 5].map((taken) =>
  encodeWindow({ taken, samples: [{ process: { pid: 1 }, count: taken === 2 ? 2 : 3, stack: [] }] }),
);

let dir: string;
let deps: SamplerDeps;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'perfleet-early-'));
  const samplerBinary = writeFakeSampler(dir, { behaviour: 'steady', windows, everyMs: 20 });
  deps = { node: 'n1', cluster: 'c1', dataDir: join(dir, 'collector'), rateHz: 29, samplerBinary };
  mkdirSync(deps.dataDir);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('a sampler started before its collector is loaded', () => {
  it('runs as the configuration on disk says, and as this node was told where that cannot be read', async () => {
    const document = fleetConfigSchema.parse({ defaults: { rateHz: 49, rung: 2 } });
    new LastGoodFile(deps.dataDir).write({ revision: { version: 3, changedAt: 1 }, document });
    const configured = startEarly(deps)!;
    await configured.process.stop();
    expect(configured.settings).toMatchObject({ rateHz: 49, rung: 2, windowSeconds: 5 });
    writeFileSync(join(deps.dataDir, 'fleet-config.json'), 'damaged');
    const told = startEarly(deps)!;
    await told.process.stop();
    expect(told.settings).toMatchObject({ rateHz: 29, rung: 'auto' });
  });

  it('is part of the collector from its first sample on: everything is published and counted once', async () => {
    const stream = await openEmbeddedStream({ path: join(dir, 'stream.db'), logger });
    const nodeState = openSqliteNodeState({ path: join(dir, 'state.db') });
    const topic = `t.${TOPICS.profiles}`;
    await stream.ensureTopics([
      { name: topic, ...TOPIC_SPECS.profiles },
      { name: `t.${TOPICS.events}`, ...TOPIC_SPECS.events },
    ]);
    const collector = createCollector({
      ...deps,
      ...{ stream, nodeState, logger, topicPrefix: 't.', kubernetes: 'no', doctor: false },
      startedSampler: startEarly(deps),
    });
    try {
      await collector.start();
      const counts = () => collector.stats().state;
      await vi.waitFor(() => expect(counts().taken).toBe(5), { timeout: 20_000, interval: 20 });
      expect(counts()).toMatchObject({ published: 5, restarts: 0 });
      const headers: unknown[] = [];
      const onMessage = (message: StreamMessage) => void headers.push(decodeProfileHeaders(message.headers));
      await readTopic(stream, topic, { group: 'test', onMessage });
      expect(headers).toMatchObject([{ value: { taken: 2 } }, { value: { taken: 5 } }]);
    } finally {
      await collector.stop();
      await nodeState.close();
      await stream.close();
    }
  });
});
