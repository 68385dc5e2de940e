import type { Window } from '@perfleet/sampler';
import type { KeptWindow } from './without-processes.ts';

/**
 * Keeps one in so many samples of a process, each of which stands for as many then. What was thinned before (in the kernel) stays:
 * whatever the rules are by now, it says itself what it stands for. A row of `count` samples keeps `count / n` of them, rounded up
 * or down by chance, so that the expectation is exact.
 * @param oneIn by index of the process; 0 and 1 = all of its samples stay
 */
export function thinned(window: Window, oneIn: ArrayLike<number>, random: () => number = Math.random): KeptWindow {
  const { samples } = window;
  const count = samples.count.slice();
  const standsFor = samples.oneIn?.slice() ?? new Uint32Array(count.length).fill(1);
  let filtered = 0;
  for (let i = 0; i < count.length; i++) {
    const n = oneIn[samples.process[i]!]!;
    if (n <= 1 || standsFor[i]! > 1) continue;
    const kept = Math.floor(count[i]! / n + random());
    filtered += count[i]! - kept;
    count[i] = kept;
    standsFor[i] = n;
  }
  return { window: { ...window, samples: { ...samples, count, oneIn: standsFor } }, filtered };
}
