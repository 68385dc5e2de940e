import { join } from 'node:path';
import { createApi } from '@perfleet/api';
import { openStore } from '@perfleet/clickhouse';
import { alertFields, loadConfig } from '@perfleet/config';
import { nodeEventSchema, TOPICS, type NodeEvent } from '@perfleet/messages';
import { openSqliteNodeState } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { openEmbeddedStream } from '@perfleet/stream';
import { startWebhook, tempDir, waitFor } from '@perfleet/testing';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { startPerfleet } from '../support/perfleet.ts';

/** Silence is told at once; nothing else of this machine is. */
const ALERTS = loadConfig(
  z.object(alertFields),
  {},
  { alertSilentMinutes: 0, alertFallbackMinutes: 600, alertRungMinutes: 600 },
);

it('a collector that is killed is a silent node meanwhile, and tells of its end at the next start', async () => {
  const dir = tempDir();
  const data = join(dir.path, 'data');
  const webhook = await startWebhook();
  const args = ['collector', '--data', data, '--node', 'worker-9'];
  const first = await startPerfleet(args);
  const nodeState = openSqliteNodeState({ path: join(data, 'node-state.db') });
  const stream = await openEmbeddedStream({ path: join(data, 'stream.db') });
  const store = await openStore({ kind: 'embedded', path: join(dir.path, 'clickhouse') });
  const api = createApi({
    ...{ store, nodeState, port: 0, logger: createLogger('api', { level: 'silent' }) },
    alerts: { ...ALERTS, alertWebhooks: [webhook.url] },
    alertTiming: { tickMs: 200 },
  });
  await api.start();
  const told = (status: string) =>
    webhook.messages.some((m) => m.alerts.some((a) => a.labels['kind'] === 'silent' && a.status === status));
  try {
    await waitFor(async () => (await nodeState.get('worker-9'))?.alive, { timeoutMs: 30_000, what: 'its heartbeat' });
    const epoch = (await nodeState.get('worker-9'))!.state.epoch;
    await first.stop('SIGKILL');
    await waitFor(() => told('firing'), { timeoutMs: 90_000, what: 'the alert about a silent node' });
    const second = await startPerfleet(args);
    await waitFor(() => told('resolved'), { timeoutMs: 30_000, what: 'the all-clear' });
    expect((await nodeState.get('worker-9'))!.state.epoch).not.toBe(epoch);

    const events: NodeEvent[] = [];
    const consumer = stream.consumer({
      group: 'test',
      topics: [TOPICS.events],
      open: () => ({
        onBatch: async (batch) => {
          for (const m of batch.messages)
            events.push(nodeEventSchema.parse(JSON.parse(Buffer.from(m.value!).toString())));
        },
      }),
    });
    await consumer.start();
    const unclean = await waitFor(() => events.find((e) => e.kind === 'unclean-exit'), {
      ...{ timeoutMs: 30_000, what: 'the event of the unclean end' },
    });
    expect(unclean.message).toContain(epoch);
    await consumer.stop();
    await second.stop('SIGTERM');
    expect(await nodeState.list(), 'a clean end takes the node out').toEqual([]);
  } finally {
    await first.stop('SIGKILL');
    await api.stop();
    await nodeState.close();
    await stream.close();
    await store.close();
    await webhook.close();
    dir.remove();
  }
});
