import type { Window } from '@perfleet/sampler';

/** A window without some of its samples; whatever else it has stays, and its indices with it. */
export interface KeptWindow {
  readonly window: Window;
  /** Samples (sum of counts) that were left out. */
  readonly filtered: number;
}

/** @param excluded by index of the process: 1 = its samples go */
export function withoutProcesses(window: Window, excluded: Uint8Array): KeptWindow {
  if (!excluded.includes(1)) return { window, filtered: 0 };
  const { process, thread, stack, count } = window.samples;
  const kept: number[] = [];
  let filtered = 0;
  for (let i = 0; i < count.length; i++) {
    if (excluded[process[i]!] === 1) filtered += count[i]!;
    else kept.push(i);
  }
  const pick = (column: Uint32Array) => Uint32Array.from(kept, (i) => column[i]!);
  const samples = { process: pick(process), thread: pick(thread), stack: pick(stack), count: pick(count) };
  return { window: { ...window, samples }, filtered };
}
