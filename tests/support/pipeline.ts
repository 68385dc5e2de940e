import { join } from 'node:path';
import { createAggregator } from '@perfleet/aggregator';
import { createApi, type Api, type ApiOptions, type IngestSettings } from '@perfleet/api';
import { openStore, type Store } from '@perfleet/clickhouse';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import { tempDir } from '@perfleet/testing';

export interface Pipeline {
  readonly url: string;
  readonly otlpGrpcPort: number | null;
  readonly otlpHttpPort: number | null;
  /** null = the port was not asked for. */
  readonly clickhouseUrl: string | null;
  readonly api: Api;
  readonly store: Store;
  readonly nodeState: NodeStateStore;
  readonly stream: Stream;
  stop(): Promise<void>;
}

export interface PipelineOptions extends Partial<Omit<ApiOptions, 'ingest'>> {
  readonly ingest?: Partial<IngestSettings>;
  /** What the API's ingestion gets in place of the stream. */
  readonly wrapStream?: (stream: Stream) => Stream;
}

/** Stream, aggregator, store and API in this process: what is published or pushed is stored and answered as in `perfleet up`. */
export async function startPipeline({
  ingest,
  wrapStream = (stream) => stream,
  ...options
}: PipelineOptions = {}): Promise<Pipeline> {
  const dir = tempDir('perfleet-pipeline-');
  const logger = createLogger('pipeline', { level: 'warn' });
  const store = await openStore({ kind: 'embedded', path: join(dir.path, 'clickhouse') });
  const stream = await openEmbeddedStream({ path: join(dir.path, 'stream.db'), logger });
  const nodeState = await openSqliteNodeState({ path: join(dir.path, 'nodes.db') });
  const aggregator = createAggregator({ stream, store, topicPrefix: '', logger, flushMs: 50 });
  await aggregator.start();
  const api = createApi({
    store,
    nodeState,
    port: 0,
    logger: createLogger('api', { level: 'silent' }),
    ingest: {
      stream: wrapStream(stream),
      topicPrefix: '',
      node: 'api-node',
      otlpHost: '127.0.0.1',
      otlpGrpcPort: 0,
      otlpHttpPort: 0,
      ...ingest,
    },
    ...options,
  });
  const started = await api.start();
  return {
    ...started,
    api,
    store,
    nodeState,
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
