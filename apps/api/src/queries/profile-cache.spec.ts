import { expect, it } from 'vitest';
import { ProfileCache } from './profile-cache.ts';

/** Stacks of frames named by small numbers, each added under its place in the list. */
function add(cache: ProfileCache, stacks: readonly (readonly number[])[], first: number): void {
  stacks.forEach((frames, i) =>
    cache.addStack(first + i, 7, Uint32Array.from(frames.flatMap((frame) => [frame, 9])), 0, frames.length),
  );
}

const inOrder = (cache: ProfileCache, count: number) => {
  const rank = cache.rank();
  expect([...rank].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
  const rows = Array.from(rank.keys()).sort((a, b) => rank[a]! - rank[b]!);
  return rows.map((row) => [...cache.framesOf(row)].join());
};

it('puts stacks that share callers next to each other, also those that come later', () => {
  const cache = new ProfileCache();
  add(cache, [[1, 2, 3], [4], [1, 5], [1, 2], []], 0);
  // Frames are numbered as they come: 1 2 3 4 5 are 0 1 2 3 4.
  expect(inOrder(cache, 5)).toEqual(['', '0,1', '0,1,2', '0,4', '3']);
  add(cache, [[4, 1], [1, 2, 3, 3], [1]], 100);
  expect(inOrder(cache, 8)).toEqual(['', '0', '0,1', '0,1,2', '0,1,2,2', '0,4', '3', '3,0']);
  expect(cache.rank()).toBe(cache.rank());
});
