import type { Shutdown } from '@perfleet/observability';
import { openProfileStore, openReachableNodeState } from '../adapters.ts';
import { makeApi } from '../parts/api.ts';
import { lazyPublishingStream } from '../publishing-stream.ts';
import { serviceLogger } from '../service-logger.ts';
import type { Settings } from '../settings.ts';
import { requireServer } from './clickhouse-server.ts';

/** Serves the page, queries, SQL and alerts. @returns the line that says that it is ready */
export async function runApi(settings: Settings, shutdown: Shutdown): Promise<string> {
  requireServer(settings);
  const store = await openProfileStore(settings);
  shutdown.add('store', () => store.close());
  const nodeState = await openReachableNodeState(settings);
  shutdown.add('node state', async () => nodeState.close());
  const stream = lazyPublishingStream(settings, serviceLogger(settings, 'stream'), shutdown);
  const api = makeApi({ settings, stream }, store, nodeState);
  shutdown.add('api', () => api.stop());
  const { url, clickhouseUrl } = await api.start();
  return `api is running: ${url}${clickhouseUrl ? `, SQL for clients of ClickHouse: ${clickhouseUrl}` : ''}`;
}
