import { setFlagsFromString } from 'node:v8';
import { aggregatorMetrics } from '@perfleet/aggregator';
import type { Shutdown } from '@perfleet/observability';
import { openProfileShards, openProfileStore } from '../adapters.ts';
import { makeAggregator } from '../parts/aggregator.ts';
import type { Settings } from '../settings.ts';
import { requireServer } from './clickhouse-server.ts';
import { openMetrics } from './metrics.ts';
import { streamPorts } from './stream-ports.ts';

/**
 * What lives on the heap is some 25 MB of code and tables that stay. V8 marks all of it whenever it has grown by a third, which buffers of
 * messages and rows make of it many times a second under load; with this percentage it waits until there is three times as much.
 */
const HEAP_GROWING_PERCENT = 200;

/** Writes the stream into ClickHouse. @returns the line that says that it is ready */
export async function runAggregator(settings: Settings, shutdown: Shutdown): Promise<string> {
  requireServer(settings);
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
  const store = await openProfileStore(settings);
  shutdown.add('store', () => store.close());
  const shards = await openProfileShards(settings, store);
  shutdown.add('shards', async () => shards?.close());
  const aggregator = makeAggregator(await streamPorts(settings, shutdown), store, shards);
  shutdown.add('aggregator', () => aggregator.stop());
  const metrics = await openMetrics(settings, shutdown, aggregatorMetrics(aggregator.stats));
  await aggregator.start();
  return `aggregator is running${metrics}`;
}
