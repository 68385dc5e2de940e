import type { SampleColumns, Window } from '@perfleet/sampler';

/** A window without some of its samples; whatever else it has stays, and its indices with it. */
export interface KeptWindow {
  readonly window: Window;
  /** Samples that were left out. */
  readonly filtered: number;
}

/** @param excluded by index of the process: 1 = its samples go */
export function withoutProcesses(window: Window, excluded: Uint8Array): KeptWindow {
  if (!excluded.includes(1)) return { window, filtered: 0 };
  const { samples, offCpu } = window;
  const [kept, keptBlocked] = [keptRows(samples, excluded), keptRows(offCpu, excluded)];
  const nanoseconds = BigUint64Array.from(keptBlocked, (i) => offCpu.nanoseconds[i]!);
  const filtered = sum(samples.count) - sum(kept.map((i) => samples.count[i]!));
  return {
    window: {
      ...window,
      samples: { ...pick(samples, kept), ...oneInOf(samples, kept) },
      offCpu: { ...pick(offCpu, keptBlocked), nanoseconds },
    },
    // A stack of blocked time is one sample.
    filtered: filtered + offCpu.count.length - keptBlocked.length,
  };
}

function keptRows({ process }: SampleColumns, excluded: Uint8Array): number[] {
  const kept: number[] = [];
  for (let i = 0; i < process.length; i++) if (excluded[process[i]!] !== 1) kept.push(i);
  return kept;
}

function pick({ process, thread, stack, count }: SampleColumns, rows: readonly number[]): SampleColumns {
  const of = (column: Uint32Array) => Uint32Array.from(rows, (i) => column[i]!);
  return { process: of(process), thread: of(thread), stack: of(stack), count: of(count) };
}

function oneInOf({ oneIn }: Window['samples'], rows: readonly number[]): { oneIn?: Uint32Array } {
  return oneIn ? { oneIn: Uint32Array.from(rows, (i) => oneIn[i]!) } : {};
}

function sum(counts: Iterable<number>): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}
