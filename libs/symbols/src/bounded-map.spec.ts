import { afterEach, describe, expect, it, vi } from 'vitest';
import { BoundedMap } from './bounded-map.ts';

describe('bounded map', () => {
  afterEach(() => void vi.useRealTimers());

  it('drops the entry that was set longest ago', () => {
    const map = new BoundedMap<number>(2);
    map.set('a', 1);
    map.set('b', 2);
    map.set('a', 3);
    map.set('c', 4);
    expect(['a', 'b', 'c'].map((key) => map.get(key))).toEqual([3, undefined, 4]);
  });

  it('forgets after its time', () => {
    vi.useFakeTimers();
    const map = new BoundedMap<number>(2, 1000);
    map.set('a', 1);
    vi.advanceTimersByTime(1000);
    expect(map.get('a')).toBe(1);
    vi.advanceTimersByTime(1);
    expect(map.get('a')).toBeUndefined();
  });
});
