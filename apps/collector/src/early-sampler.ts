import { samplerBinaryPath, startSampler, wantedRung, type StartedSampler } from '@perfleet/sampler';
import { settingsOnDisk, type SettingsOf } from './control/node-settings.ts';
import type { CollectorDeps } from './collector-deps.ts';

/** What of its dependencies decides how a collector's sampler runs. */
export type SamplerDeps = Pick<
  CollectorDeps,
  'node' | 'cluster' | 'dataDir' | 'rateHz' | 'windowSeconds' | 'offCpu' | 'rung' | 'samplerBinary' | 'samplerArgs'
>;

/** Rate, window, rung and blocked time as this collector was told, where the fleet's configuration does not state them. */
export function settingsOf({ node, cluster, rateHz, windowSeconds, offCpu, rung }: SamplerDeps): SettingsOf {
  return { node, cluster, own: { rateHz, windowSeconds, offCpu, rung: wantedRung(rung ?? 'auto') } };
}

/**
 * Starts the sampler of a collector that is still to be loaded, which takes longer than the sampler does. By what the disk has of the
 * fleet's configuration; what the store says is heeded before a window of it is looked at.
 */
export function startEarly(deps: SamplerDeps): StartedSampler | undefined {
  const { rateHz, windowSeconds, offCpu, rung } = settingsOnDisk(deps.dataDir, settingsOf(deps));
  return startSampler(samplerBinaryPath(deps.samplerBinary), { rateHz, windowSeconds, offCpu, rung }, deps.samplerArgs);
}
