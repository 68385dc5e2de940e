import { Shutdown } from '@perfleet/observability';
import type { Command } from 'commander';
import { ensureDataDir, openNodeState, openProfileStore, openStream } from '../adapters.ts';
import { makeAggregator, makeApi, makeCollector, makeSymbolizer, serviceLogger } from '../parts.ts';
import { loadSettings } from '../settings.ts';
import { asSettings, withOptions } from './options.ts';

export function registerUp(program: Command): void {
  withOptions(
    program.command('up').description('profile this machine and serve the page: every service in one process'),
    ['httpPort', 'httpHost', 'data', 'rate', 'rung', 'node', 'logLevel'],
  ).action(up);
}

async function up(flags: Record<string, unknown>): Promise<void> {
  const settings = loadSettings(asSettings(flags));
  const logger = serviceLogger(settings, 'perfleet');
  ensureDataDir(settings.dataDir);
  const shutdown = new Shutdown(logger);
  const stopped = shutdown.untilSignal();
  try {
    const store = await openProfileStore(settings);
    shutdown.add('store', () => store.close());
    const stream = await openStream(settings, logger);
    shutdown.add('stream', () => stream.close());
    const nodeState = await openNodeState(settings);
    shutdown.add('node state', async () => nodeState.close());
    const ports = { settings, stream, logger };

    // Consumers before the producer, so that the collector's last messages still find them when parts stop in reverse.
    const api = makeApi(ports, store, nodeState);
    const { url } = await api.start();
    shutdown.add('api', () => api.stop());
    for (const [name, part] of [
      ['aggregator', makeAggregator(ports, store)],
      ['symbolizer', makeSymbolizer(ports)],
      ['collector', makeCollector(ports, nodeState)],
    ] as const) {
      await part.start();
      shutdown.add(name, () => part.stop());
    }
    process.stdout.write(`Perfleet is profiling this machine at ${settings.rateHz} Hz: ${url}\n`);
  } catch (error) {
    await shutdown.stop();
    throw error;
  }
  await stopped;
  process.exit(0);
}
