import { describe, expect, it } from 'vitest';
import { fullDelivery } from './sampler-delivery.ts';
import type { WindowSamples } from './stream-windows.ts';

/** Windows one after another: length in seconds, samples. */
function windows(...parts: ReadonlyArray<readonly [length: number, samples: number]>): WindowSamples[] {
  let end = 100;
  return parts.map(([length, samples]) => {
    const start = end;
    end += length;
    return { start, end, samples, sent: 0, complete: 0, bytes: 0, ofPrograms: 0, reachMain: 0 };
  });
}

/** At which of them full delivery begins, at 19 Hz on two CPUs; -1 = at none. */
const begins = (all: readonly WindowSamples[]) => all.indexOf(fullDelivery(all, 38, 2)!);

describe('full delivery', () => {
  it('is there when a window lacks what lies between two ticks only', () => {
    expect(begins(windows([0.25, 8], [0.5, 19], [5, 190]))).toBe(0);
    expect(begins(windows([0.25, 7], [0.5, 18], [5, 190]))).toBe(1);
    expect(begins(windows([0.25, 7], [0.5, 17], [5, 190]))).toBe(2);
  });

  it('is not there while more is lost than that, now or later', () => {
    expect(begins(windows([0.25, 9], [5, 180], [5, 190], [5, 190]))).toBe(2);
    expect(begins(windows([5, 188], [5, 188], [5, 186]))).toBe(-1);
    expect(begins(windows())).toBe(-1);
  });

  it('counts the time between windows', () => {
    const [first, ...others] = windows([1, 38], [1, 38], [5, 190], [5, 190]);
    expect(begins([first!, ...others.slice(1)])).toBe(1);
  });
});
