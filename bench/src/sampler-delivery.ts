import type { WindowSamples } from './stream-windows.ts';

/** Of the samples that are due, from full delivery on. */
const WHOLE = 0.995;

/**
 * The window with which full delivery begins on a busy machine: it lacks less than one sample of each CPU, which is what a window that
 * begins between two ticks may lack, and from its beginning to the end of the last window nearly everything that was due has come,
 * time between windows included.
 * @param windows in the order of time
 * @param due samples a second, of all CPUs
 */
export function fullDelivery(windows: readonly WindowSamples[], due: number, cpus: number): WindowSamples | undefined {
  const end = windows.at(-1)?.end ?? 0;
  const left = windows.map((_, i) => windows.slice(i).reduce((sum, { samples }) => sum + samples, 0));
  return windows.find(
    (window, i) =>
      window.samples > due * (window.end - window.start) - cpus && left[i]! > WHOLE * due * (end - window.start) - cpus,
  );
}
