import type { WantedRung } from './rung-ladder.ts';
import { spawnSampler, type SamplerProcess } from './sampler-process.ts';

/** What a run of the sampler is told on its command line. */
export interface RunSettings {
  readonly rateHz: number;
  readonly windowSeconds: number;
  readonly offCpu: boolean;
  readonly rung: WantedRung;
}

/** A sampler that runs before there is anybody to supervise it; what it says waits for `release`. */
export interface StartedSampler {
  readonly process: SamplerProcess;
  readonly settings: RunSettings;
}

/** The command line. */
export function samplerArguments({ rateHz, windowSeconds, offCpu, rung }: RunSettings): string[] {
  const args = ['--rate', String(rateHz), '--window', String(windowSeconds), '--rung', String(rung)];
  return offCpu ? [...args, '--off-cpu'] : args;
}

/** Whether a run with these settings need not be another one: a rate is changed in the running sampler. */
export function isSameRun(a: RunSettings, b: RunSettings): boolean {
  return a.windowSeconds === b.windowSeconds && a.offCpu === b.offCpu && a.rung === b.rung;
}

/**
 * Starts a sampler while the rest of its parent still loads: it needs a third of a second of its own before it samples.
 * @param args appended to those made of the settings; who supervises has the same
 * @returns undefined when it cannot be started; who supervises tries again and says why
 */
export function startSampler(
  binary: string,
  settings: RunSettings,
  args: readonly string[] = [],
): StartedSampler | undefined {
  try {
    return { process: spawnSampler({ binary, args: [...samplerArguments(settings), ...args], held: true }), settings };
  } catch {
    return undefined;
  }
}
