import { serveClickhouse } from '@perfleet/clickhouse';
import { ConfigError } from '@perfleet/config';
import { Shutdown } from '@perfleet/observability';
import type { Command } from 'commander';
import { ensureDataDir, openNodeState, openProfileStore, openStream } from '../adapters.ts';
import { makeAggregator, makeApi, makeCollector, makeSymbolizer, serviceLogger } from '../parts.ts';
import { loadSettings, type Settings } from '../settings.ts';
import { asSettings, withOptions } from './options.ts';

type Run = (settings: Settings, shutdown: Shutdown) => Promise<string>;

/** The services as processes of their own. Each resolves to one line that says it is ready. */
export function registerServices(program: Command): void {
  const service = (name: string, description: string, options: Parameters<typeof withOptions>[1], run: Run) =>
    withOptions(program.command(name).description(description), [...options, 'data', 'logLevel']).action(
      async (flags) => {
        const settings = loadSettings(asSettings(flags));
        const shutdown = new Shutdown(serviceLogger(settings, name));
        const stopped = shutdown.untilSignal();
        try {
          process.stdout.write(`${await run(settings, shutdown)}\n`);
        } catch (error) {
          await shutdown.stop();
          throw error;
        }
        await stopped;
        process.exit(0);
      },
    );

  service(
    'collector',
    'profile this node and publish to Kafka',
    ['node', 'cluster', 'rate', 'rung', 'kafka', 'redis'],
    async (settings, shutdown) => {
      ensureDataDir(settings.dataDir);
      const ports = await streamPorts(settings, shutdown);
      const nodeState = await openNodeState(settings);
      shutdown.add('node state', async () => nodeState.close());
      const collector = makeCollector(ports, nodeState);
      await collector.start();
      shutdown.add('collector', () => collector.stop());
      return `collector of node ${settings.node} is running`;
    },
  );

  service('symbolizer', 'resolve addresses to functions', ['node', 'kafka'], async (settings, shutdown) => {
    const symbolizer = makeSymbolizer(await streamPorts(settings, shutdown));
    await symbolizer.start();
    shutdown.add('symbolizer', () => symbolizer.stop());
    return 'symbolizer is running';
  });

  service(
    'aggregator',
    'write the stream into ClickHouse',
    ['kafka', 'clickhouse', 'cluster'],
    async (settings, shutdown) => {
      requireServer(settings);
      const store = await openProfileStore(settings);
      shutdown.add('store', () => store.close());
      const aggregator = makeAggregator(await streamPorts(settings, shutdown), store);
      await aggregator.start();
      shutdown.add('aggregator', () => aggregator.stop());
      return 'aggregator is running';
    },
  );

  service(
    'api',
    'serve the page, queries, SQL and alerts',
    ['httpPort', 'httpHost', 'clickhouse', 'redis', 'cluster'],
    async (settings, shutdown) => {
      requireServer(settings);
      const store = await openProfileStore(settings);
      shutdown.add('store', () => store.close());
      const nodeState = await openNodeState(settings);
      shutdown.add('node state', async () => nodeState.close());
      const api = makeApi({ settings }, store, nodeState);
      const { url } = await api.start();
      shutdown.add('api', () => api.stop());
      return `api is running: ${url}`;
    },
  );

  service(
    'clickhouse',
    "serve the embedded engine over ClickHouse's HTTP protocol on loopback",
    ['httpPort', 'httpHost'],
    async (settings, shutdown) => {
      ensureDataDir(settings.dataDir);
      const store = await openProfileStore({ ...settings, clickhouseUrl: '' });
      shutdown.add('store', () => store.close());
      const server = await serveClickhouse({ store, host: settings.httpHost, port: settings.httpPort });
      shutdown.add('http', () => server.close());
      return `clickhouse is running: ${server.url}`;
    },
  );
}

/** One process holds the embedded engine's data path; a service beside it must speak HTTP. */
function requireServer(settings: Settings): void {
  if (settings.clickhouseUrl) return;
  throw new ConfigError(
    'PERFLEET_CLICKHOUSE_URL is not set: as a service of its own this needs a ClickHouse server; start one with `perfleet clickhouse` and pass --clickhouse-url http://127.0.0.1:4700, or use `perfleet up`',
  );
}

async function streamPorts(settings: Settings, shutdown: Shutdown) {
  const logger = serviceLogger(settings, 'stream');
  if (settings.kafkaBrokers.length === 0) ensureDataDir(settings.dataDir);
  const stream = await openStream(settings, logger);
  shutdown.add('stream', () => stream.close());
  return { settings, stream, logger };
}
