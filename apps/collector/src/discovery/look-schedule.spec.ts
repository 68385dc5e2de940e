import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LookSchedule } from './look-schedule.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A look that takes `ms`; the times at which looks began. */
function schedule(ms: number, options = { everyMs: 1000, minMs: 100 }) {
  const begun: number[] = [];
  const zero = performance.now();
  const look = () => {
    begun.push(performance.now() - zero);
    return new Promise<void>((resolve) => setTimeout(resolve, ms));
  };
  const made = new LookSchedule({ ...options, look });
  made.start();
  void made.now();
  return { made, begun };
}

describe('when the node is looked at', () => {
  it('is by the timer, and soon after something new, once for many of them', async () => {
    const { made, begun } = schedule(1);
    await vi.advanceTimersByTimeAsync(2100);
    expect(begun).toEqual([0, 1001, 2002]);
    for (let i = 0; i < 50; i++) made.soon();
    await vi.advanceTimersByTimeAsync(10);
    expect(begun).toHaveLength(4);
    made.soon();
    await vi.advanceTimersByTimeAsync(50);
    expect(begun, 'not before minMs').toHaveLength(4);
    await vi.advanceTimersByTimeAsync(100);
    expect(begun).toHaveLength(5);
    made.stop();
    await vi.advanceTimersByTimeAsync(5000);
    expect(begun).toHaveLength(5);
  });

  it('is once more after a look during which something new was seen', async () => {
    const { made, begun } = schedule(4);
    made.soon();
    await vi.advanceTimersByTimeAsync(110);
    expect(begun).toEqual([0, 104]);
    made.stop();
  });

  it('is so seldom that long looks are no load, and something new still waits for seconds at most', async () => {
    const { made, begun } = schedule(400);
    await vi.advanceTimersByTimeAsync(40_000);
    expect(begun).toEqual([0]);
    made.soon();
    await vi.advanceTimersByTimeAsync(500);
    expect(begun).toHaveLength(2);
    made.soon();
    await vi.advanceTimersByTimeAsync(5000);
    expect(begun).toHaveLength(3);
    made.stop();
  });

  it('is by the timer after five minutes at most, however long one look had to wait', async () => {
    const { made, begun } = schedule(20_000);
    await vi.advanceTimersByTimeAsync(319_000);
    expect(begun).toEqual([0]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(begun).toEqual([0, 320_000]);
    made.stop();
  });
});
