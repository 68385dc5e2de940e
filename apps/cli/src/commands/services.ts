import { aggregatorMetrics } from '@perfleet/aggregator';
import { serveClickhouse } from '@perfleet/clickhouse';
import { ConfigError } from '@perfleet/config';
import { serveMetrics, type Shutdown } from '@perfleet/observability';
import { symbolizerMetrics } from '@perfleet/symbolizer';
import { createTokenVerifier, type TokenVerifier } from '@perfleet/tokens';
import type { Command } from 'commander';
import type { Registry } from 'prom-client';
import { authOf } from '../auth.ts';
import { ensureDataDir, openNodeState, openProfileStore, openReachableNodeState, openStream } from '../adapters.ts';
import { makeAggregator, makeApi, makeCollector, makeSymbolizer, serviceLogger } from '../parts.ts';
import { lazyPublishingStream, openPublishingStream } from '../publishing-stream.ts';
import { runUntilSignal } from '../run-until-signal.ts';
import { loadSettings, type Settings } from '../settings.ts';
import { API_OPTIONS, asSettings, withOptions } from './options.ts';

type Run = (settings: Settings, shutdown: Shutdown) => Promise<string>;

/** ClickHouse's own port, so that this service and the API need no flag to run beside each other. */
const CLICKHOUSE_PORT = '8123';

/** The services as processes of their own. Each resolves to one line that says it is ready. */
export function registerServices(program: Command): void {
  const service = (
    name: string,
    description: string,
    options: Parameters<typeof withOptions>[1],
    run: Run,
    defaults: Readonly<Record<string, string>> = {},
  ) =>
    withOptions(program.command(name).description(description), [...options, 'data', 'logLevel']).action(
      async (flags) => {
        const settings = loadSettings(asSettings(flags), { ...defaults, ...process.env });
        await runUntilSignal(serviceLogger(settings, name), (shutdown) => run(settings, shutdown));
      },
    );

  service(
    'collector',
    'profile this node and publish to Kafka',
    ['node', 'cluster', 'rate', 'rung', 'kafka', 'redis', 'send'],
    async (settings, shutdown) => {
      ensureDataDir(settings.dataDir);
      const nodeState = await openNodeState(settings);
      shutdown.add('node state', async () => nodeState.close());
      const stream = await openPublishingStream(settings, serviceLogger(settings, 'stream'), shutdown);
      const collector = makeCollector({ settings, stream }, nodeState);
      shutdown.add('collector', () => collector.stop());
      await collector.start();
      return `collector of node ${settings.node} is running`;
    },
  );

  service(
    'symbolizer',
    'resolve addresses to functions; receive binaries from nodes',
    ['node', 'kafka', 'redis', 'binaries', 'receive', 'metrics'],
    async (settings, shutdown) => {
      ensureDataDir(settings.dataDir);
      const nodeState =
        settings.uploadPort === null ? await openNodeState(settings) : await openReachableNodeState(settings);
      shutdown.add('node state', async () => nodeState.close());
      const symbolizer = makeSymbolizer(await streamPorts(settings, shutdown), nodeState);
      shutdown.add('symbolizer', () => symbolizer.stop());
      const metrics = await openMetrics(settings, shutdown, symbolizerMetrics(symbolizer.stats));
      const { uploadUrl } = await symbolizer.start();
      const receives = uploadUrl ? `, binaries are received at ${uploadUrl}` : '';
      return `symbolizer is running${receives}${metrics}`;
    },
  );

  service(
    'aggregator',
    'write the stream into ClickHouse',
    ['kafka', 'clickhouse', 'cluster', 'metrics'],
    async (settings, shutdown) => {
      requireServer(settings);
      const store = await openProfileStore(settings);
      shutdown.add('store', () => store.close());
      const aggregator = makeAggregator(await streamPorts(settings, shutdown), store);
      shutdown.add('aggregator', () => aggregator.stop());
      const metrics = await openMetrics(settings, shutdown, aggregatorMetrics(aggregator.stats));
      await aggregator.start();
      return `aggregator is running${metrics}`;
    },
  );

  service(
    'api',
    'serve the page, queries, SQL and alerts; receive profiles of other agents',
    [...API_OPTIONS, 'kafka', 'clickhouse', 'redis', 'cluster', 'node'],
    async (settings, shutdown) => {
      requireServer(settings);
      const store = await openProfileStore(settings);
      shutdown.add('store', () => store.close());
      const nodeState = await openReachableNodeState(settings);
      shutdown.add('node state', async () => nodeState.close());
      const stream = lazyPublishingStream(settings, serviceLogger(settings, 'stream'), shutdown);
      const api = makeApi({ settings, stream }, store, nodeState);
      shutdown.add('api', () => api.stop());
      const { url } = await api.start();
      return `api is running: ${url}`;
    },
  );

  service(
    'clickhouse',
    `serve the embedded engine over ClickHouse's HTTP protocol on loopback, port ${CLICKHOUSE_PORT}`,
    ['httpPort', 'httpHost', 'auth', 'allowedHosts', 'redis'],
    async (settings, shutdown) => {
      const auth = authOf(settings, { PERFLEET_HTTP_HOST: settings.httpHost });
      const store = await openProfileStore({ ...settings, clickhouseUrl: '' });
      shutdown.add('store', () => store.close());
      const server = await serveClickhouse({
        store,
        host: settings.httpHost,
        port: settings.httpPort,
        allowedHosts: settings.allowedHosts,
        ...(auth === 'tokens' ? { verifier: await openVerifier(settings, shutdown) } : {}),
      });
      shutdown.add('http', () => server.close());
      return `clickhouse is running: ${server.url}`;
    },
    { PERFLEET_HTTP_PORT: CLICKHOUSE_PORT },
  );
}

async function openVerifier(settings: Settings, shutdown: Shutdown): Promise<TokenVerifier> {
  const nodeState = await openReachableNodeState(settings);
  shutdown.add('tokens', async () => nodeState.close());
  return createTokenVerifier({ store: nodeState.tokens });
}

/** @returns what the line that says the service is ready says of it */
async function openMetrics(settings: Settings, shutdown: Shutdown, registry: Registry): Promise<string> {
  if (settings.metricsPort === null) return '';
  const server = await serveMetrics({ registry, host: settings.metricsHost, port: settings.metricsPort });
  shutdown.add('metrics', () => server.close());
  return `; metrics: ${server.url}`;
}

/** One process holds the embedded engine's data path; a service beside it must speak HTTP. */
function requireServer(settings: Settings): void {
  if (settings.clickhouseUrl) return;
  throw new ConfigError(
    `PERFLEET_CLICKHOUSE_URL is not set: as a service of its own this needs a ClickHouse server; start one with \`perfleet clickhouse\` and pass --clickhouse-url http://127.0.0.1:${CLICKHOUSE_PORT}, or use \`perfleet up\``,
  );
}

async function streamPorts(settings: Settings, shutdown: Shutdown) {
  const stream = await openStream(settings, serviceLogger(settings, 'stream'));
  shutdown.add('stream', () => stream.close());
  return { settings, stream };
}
