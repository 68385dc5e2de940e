import { join } from 'node:path';
import type { SamplerDeps } from '@perfleet/collector/early-sampler';
import { samplerBinaryPath } from '@perfleet/sampler';
import type { Settings } from './settings.ts';

/** What of the settings decides how the collector's sampler runs. */
export function samplerDeps(settings: Settings): SamplerDeps {
  const { samplerTablesMb, samplerStacks } = settings;
  return {
    node: settings.node,
    cluster: settings.cluster,
    rateHz: settings.rateHz,
    windowSeconds: settings.windowSeconds,
    dataDir: join(settings.dataDir, 'collector'),
    samplerBinary: samplerBinaryPath(settings.samplerBinary),
    samplerArgs: [
      '--table-memory',
      String(samplerTablesMb),
      ...(samplerStacks > 0 ? ['--stacks', String(samplerStacks)] : []),
    ],
    rung: settings.rung,
    offCpu: settings.offCpu,
  };
}
