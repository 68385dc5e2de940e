import { createAggregator } from '@perfleet/aggregator';
import type { Store } from '@perfleet/clickhouse';
import { serviceLogger } from '../service-logger.ts';
import type { Ports } from './ports.ts';

export function makeAggregator({ settings, stream }: Ports, store: Store) {
  return createAggregator({
    stream,
    store,
    topicPrefix: settings.topicPrefix,
    cluster: settings.cluster,
    logger: serviceLogger(settings, 'aggregator'),
  });
}
