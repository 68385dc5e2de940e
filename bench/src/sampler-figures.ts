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

/** Samples that are due a second of a machine whose CPUs were busy but for `idle` seconds, of all of them together. */
export const dueASecond = (rate: number, seconds: number, idle: number): number =>
  rate * (cpus().length - idle / seconds);

/** Samples that arrived, in percent of those that were due; NaN where it is not known how many were. */
export function deliveredOf(rate: number, load: Pick<Load, 'full'>, run: CollectorRun): number {
  if (!load.full) return NaN;
  return (100 * run.samples) / (dueASecond(rate, run.seconds, run.idleSeconds) * run.windowSeconds);
}

/** As `deliveredOf`, with what windows lack because they begin between two ticks, which is one sample of each CPU at most. */
export function deliveredAtMost(rate: number, load: Pick<Load, 'full'>, run: CollectorRun): number {
  const most = deliveredOf(rate, load, { ...run, samples: run.samples + cpus().length });
  return Math.max(deliveredOf(rate, load, run), Math.min(100, most));
}

/** Samples of the load's programs, in percent of those due in the CPU time that they used; NaN where they are not told apart. */
export function ofProgramsShare(rate: number, load: Pick<Load, 'programs'>, run: CollectorRun): number {
  return load.programs.length === 0 ? NaN : (100 * run.ofPrograms * scale(run)) / (rate * run.loadCpu);
}

/** Of the load's programs the stacks that begin in `main`, in percent; NaN where they are not told apart. */
export function completeOf(load: Pick<Load, 'programs'>, run: Pick<CollectorRun, 'ofPrograms' | 'reachMain'>): number {
  return load.programs.length === 0 || run.ofPrograms === 0 ? NaN : (100 * run.reachMain) / run.ofPrograms;
}
