import { join } from 'node:path';
import { createAggregator } from '@perfleet/aggregator';
import { createApi, type Api, type ApiOptions } from '@perfleet/api';
import { openStore, type Store } from '@perfleet/clickhouse';
import { openSqliteNodeState } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import { tempDir } from '@perfleet/testing';

export interface Pipeline {
  readonly url: string;
  readonly api: Api;
  readonly store: Store;
  readonly stream: Stream;
  stop(): Promise<void>;
}

/** Stream, aggregator, store and API in this process: what is published or pushed is stored and answered as in `perfleet up`. */
export async function startPipeline(options: Partial<ApiOptions> = {}): Promise<Pipeline> {
  const dir = tempDir('perfleet-pipeline-');
  const logger = createLogger('pipeline', { level: 'error' });
  const store = await openStore({ kind: 'embedded', path: join(dir.path, 'clickhouse') });
  const stream = await openEmbeddedStream({ path: join(dir.path, 'stream.db'), logger });
  const nodeState = await openSqliteNodeState({ path: join(dir.path, 'nodes.db') });
  const aggregator = createAggregator({ stream, store, topicPrefix: '', logger, flushMs: 50 });
  await aggregator.start();
  const api = createApi({ store, nodeState, port: 0, logger: createLogger('api', { level: 'silent' }), ...options });
  const { url } = await api.start();
  return {
    url,
    api,
    store,
    stream,
    async stop() {
      await api.stop();
      await aggregator.stop();
      await nodeState.close();
      await stream.close();
      await store.close();
      dir.remove();
    },
  };
}
