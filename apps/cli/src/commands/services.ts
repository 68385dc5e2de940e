import type { Shutdown } from '@perfleet/observability';
import { samplerBinaryPath } from '@perfleet/sampler';
import type { Command } from 'commander';
import { prepareCollectorProcess } from '../collector-process.ts';
import { runUntilSignal } from '../run-until-signal.ts';
import { samplerDeps } from '../sampler-deps.ts';
import { serviceLogger } from '../service-logger.ts';
import { loadSettings, type Settings } from '../settings.ts';
import { API_OPTIONS, asSettings, CLICKHOUSE_PORT, withOptions } from './options.ts';

type Run = (settings: Settings, shutdown: Shutdown) => Promise<string>;

/** The services as processes of their own. Each is loaded when it runs, and resolves to one line that says it is ready. */
export function registerServices(program: Command): void {
  const service = (
    name: string,
    description: string,
    options: Parameters<typeof withOptions>[1],
    load: (settings: Settings) => Promise<Run>,
    defaults: Readonly<Record<string, string>> = {},
  ) =>
    withOptions(program.command(name).description(description), [...options, 'data', 'logLevel']).action(
      async (flags) => {
        const settings = loadSettings(asSettings(flags), { ...defaults, ...process.env });
        const run = await load(settings);
        await runUntilSignal(serviceLogger(settings, name), (shutdown) => run(settings, shutdown));
      },
    );

  service(
    'collector',
    'profile this node and publish to Kafka',
    ['node', 'cluster', 'rate', 'rung', 'offCpu', 'kafka', 'redis', 'send'],
    async (settings) => {
      const deps = samplerDeps(settings);
      prepareCollectorProcess(samplerBinaryPath(deps.samplerBinary));
      // The two of them get ready side by side.
      const { startEarly } = await import('@perfleet/collector/early-sampler');
      const sampler = startEarly(deps);
      const { runCollector } = await import('../services/collector.ts');
      return (settings, shutdown) => runCollector(settings, shutdown, sampler);
    },
  );

  service(
    'symbolizer',
    'resolve addresses to functions; receive binaries from nodes',
    ['node', 'kafka', 'redis', 'binaries', 'receive', 'metrics'],
    async () => (await import('../services/symbolizer.ts')).runSymbolizer,
  );

  service(
    'aggregator',
    'write the stream into ClickHouse',
    ['kafka', 'clickhouse', 'cluster', 'metrics'],
    async () => (await import('../services/aggregator.ts')).runAggregator,
  );

  service(
    'api',
    'serve the page, queries, SQL and alerts; receive profiles of other agents',
    [...API_OPTIONS, 'kafka', 'clickhouse', 'redis', 'cluster', 'node'],
    async () => (await import('../services/api.ts')).runApi,
  );

  service(
    'clickhouse',
    `serve the embedded engine over ClickHouse's HTTP protocol on loopback, port ${CLICKHOUSE_PORT}`,
    ['httpPort', 'httpHost', 'auth', 'allowedHosts', 'redis'],
    async () => (await import('../services/clickhouse.ts')).runClickhouse,
    { PERFLEET_HTTP_PORT: CLICKHOUSE_PORT },
  );
}
