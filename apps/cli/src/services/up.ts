import type { Shutdown } from '@perfleet/observability';
import { openNodeState, openProfileShards, openProfileStore, openStream } from '../adapters.ts';
import { makeAggregator } from '../parts/aggregator.ts';
import { makeApi } from '../parts/api.ts';
import { makeCollector } from '../parts/collector.ts';
import { makeSymbolizer } from '../parts/symbolizer.ts';
import { serviceLogger } from '../service-logger.ts';
import type { Settings } from '../settings.ts';
import { shareStore } from '../shared-store.ts';

/** Every service in one process. @returns the line that says that they are ready */
export async function runUp(settings: Settings, shutdown: Shutdown): Promise<string> {
  const store = await openProfileStore(settings);
  shutdown.add('store', () => store.close());
  await shareStore(store, settings, serviceLogger(settings, 'store'), shutdown);
  const shards = await openProfileShards(settings, store);
  shutdown.add('shards', async () => shards?.close());
  const stream = await openStream(settings, serviceLogger(settings, 'stream'));
  shutdown.add('stream', () => stream.close());
  const nodeState = await openNodeState(settings);
  shutdown.add('node state', async () => nodeState.close());
  const ports = { settings, stream };

  // Consumers before the producer, so that the collector's last messages still find them when parts stop in reverse.
  const api = makeApi(ports, store, nodeState);
  shutdown.add('api', () => api.stop());
  const { url, clickhouseUrl } = await api.start();
  for (const [name, part] of [
    ['aggregator', makeAggregator(ports, store, shards)],
    ['symbolizer', makeSymbolizer(ports, nodeState)],
    ['collector', makeCollector(ports, nodeState, { sharedProcess: true })],
  ] as const) {
    shutdown.add(name, () => part.stop());
    await part.start();
  }
  return `Perfleet is profiling this machine at ${settings.rateHz} Hz: ${url}${clickhouseUrl ? `, SQL for clients of ClickHouse: ${clickhouseUrl}` : ''}`;
}
