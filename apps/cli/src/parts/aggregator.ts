import { createAggregator } from '@perfleet/aggregator';
import type { Shards, Store } from '@perfleet/clickhouse';
import { serviceLogger } from '../service-logger.ts';
import type { Ports } from './ports.ts';

export function makeAggregator({ settings, stream }: Ports, store: Store, shards: Shards | null = null) {
  return createAggregator({
    stream,
    store,
    ...(shards ? { shards } : {}),
    topicPrefix: settings.topicPrefix,
    cluster: settings.cluster,
    logger: serviceLogger(settings, 'aggregator'),
  });
}
