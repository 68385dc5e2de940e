import type { Shutdown } from '@perfleet/observability';
import type { Command } from 'commander';
import { openNodeState, openProfileStore, openStream } from '../adapters.ts';
import { makeAggregator, makeApi, makeCollector, makeSymbolizer, serviceLogger } from '../parts.ts';
import { runUntilSignal } from '../run-until-signal.ts';
import { loadSettings, type Settings } from '../settings.ts';
import { API_OPTIONS, asSettings, withOptions } from './options.ts';

export function registerUp(program: Command): void {
  withOptions(
    program.command('up').description('profile this machine and serve the page: every service in one process'),
    [...API_OPTIONS, 'data', 'rate', 'rung', 'node', 'logLevel'],
  ).action(async (flags) => {
    const settings = loadSettings(asSettings(flags));
    await runUntilSignal(serviceLogger(settings, 'perfleet'), (shutdown) => up(settings, shutdown));
  });
}

async function up(settings: Settings, shutdown: Shutdown): Promise<string> {
  const store = await openProfileStore(settings);
  shutdown.add('store', () => store.close());
  const stream = await openStream(settings, serviceLogger(settings, 'stream'));
  shutdown.add('stream', () => stream.close());
  const nodeState = await openNodeState(settings);
  shutdown.add('node state', async () => nodeState.close());
  const ports = { settings, stream };

  // Consumers before the producer, so that the collector's last messages still find them when parts stop in reverse.
  const api = makeApi(ports, store, nodeState);
  shutdown.add('api', () => api.stop());
  const { url } = await api.start();
  for (const [name, part] of [
    ['aggregator', makeAggregator(ports, store)],
    ['symbolizer', makeSymbolizer(ports, nodeState)],
    ['collector', makeCollector(ports, nodeState, { sharedProcess: true })],
  ] as const) {
    shutdown.add(name, () => part.stop());
    await part.start();
  }
  return `Perfleet is profiling this machine at ${settings.rateHz} Hz: ${url}`;
}
