import { cpus } from 'node:os';
import type { CollectorRun } from './collector-run.ts';
import type { Load } from './loads.ts';

/** CPU seconds of the whole agent: collector, sampler, and BPF, which the kernel bills to whoever is sampled. */
export const cpuOfRun = (run: CollectorRun): number => run.samplerCpu + run.collectorCpu + run.bpfSeconds;

/** Windows lie inside of the measured time; CPU is of all of it. */
export const scale = (run: CollectorRun): number => run.seconds / run.windowSeconds;

/** CPU milliseconds per 1,000 samples. */
export const perThousand = (cpuSeconds: number, samples: number): number => (cpuSeconds / samples) * 1e6;

/** CPU seconds in so many seconds, in percent of all CPUs. */
export const ofMachine = (cpuSeconds: number, seconds: number): number =>
  (100 * cpuSeconds) / (seconds * cpus().length);

/** The agent, in percent of the machine. */
export const machineShare = (run: CollectorRun): number => ofMachine(cpuOfRun(run), run.seconds);

/** Samples that arrived, in percent of those that were due; NaN where it is not known how many were. */
export function deliveredOf(rate: number, load: Pick<Load, 'full' | 'process'>, run: CollectorRun): number {
  if (load.process !== '') return (100 * run.ofProcess * scale(run)) / (rate * run.loadCpu);
  return load.full ? (100 * run.samples) / (rate * cpus().length * run.windowSeconds) : NaN;
}
