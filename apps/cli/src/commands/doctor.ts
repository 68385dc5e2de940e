import { samplerBinaryPath } from '@perfleet/sampler';
import type { Command } from 'commander';
import { doctorServices } from '../doctor-services.ts';
import { loadSettings } from '../settings.ts';
import { asSettings, withOptions } from './options.ts';

export function registerDoctor(program: Command): void {
  withOptions(
    program
      .command('doctor')
      .description('check this machine and the configured services: what works, what is missing, and the fix')
      .option('--json', 'as JSON')
      .addHelpText('after', '\nExit code 0 when samples can be taken here at all, else 1.'),
    ['data', 'kafka', 'redis', 'clickhouse'],
  ).action(async ({ json, ...flags }: { json?: boolean }) => {
    const settings = loadSettings(asSettings(flags));
    const { exitCode, formatChecks, runDoctor } = await import('@perfleet/doctor');
    const checks = await runDoctor({
      samplerBinary: samplerBinaryPath(settings.samplerBinary),
      dataDir: settings.dataDir,
      ...doctorServices(settings),
    });
    const text = json ? JSON.stringify(checks, null, 2) : formatChecks(checks);
    process.stdout.write(`${text}\n`, () => process.exit(exitCode(checks)));
  });
}
