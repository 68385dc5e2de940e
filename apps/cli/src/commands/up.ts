import type { Command } from 'commander';
import { runUntilSignal } from '../run-until-signal.ts';
import { serviceLogger } from '../service-logger.ts';
import { loadSettings } from '../settings.ts';
import { API_OPTIONS, asSettings, withOptions } from './options.ts';

export function registerUp(program: Command): void {
  withOptions(
    program.command('up').description('profile this machine and serve the page: every service in one process'),
    [...API_OPTIONS, 'data', 'rate', 'rung', 'offCpu', 'node', 'logLevel'],
  ).action(async (flags) => {
    const settings = loadSettings(asSettings(flags));
    const { runUp } = await import('../services/up.ts');
    await runUntilSignal(serviceLogger(settings, 'perfleet'), (shutdown) => runUp(settings, shutdown));
  });
}
