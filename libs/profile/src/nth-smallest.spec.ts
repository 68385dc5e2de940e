import { expect, it } from 'vitest';
import { nthSmallest } from './nth-smallest.ts';

it('is what stands there in order, among equal, ordered and random values', () => {
  let seed = 1;
  const random = () => (seed = (seed * 48_271) % 0x7fffffff);
  const kinds: ReadonlyArray<(i: number) => number> = [
    () => random() / 7,
    () => random() % 3,
    (i) => i,
    (i) => -i,
    () => 5,
    (i) => Math.abs(50 - i),
  ];
  for (const of of kinds)
    for (const length of [1, 2, 3, 10, 101]) {
      const values = Float64Array.from({ length }, (_, i) => of(i));
      const sorted = values.slice().sort();
      for (let n = 0; n < length; n++) expect(nthSmallest(values.slice(), n)).toBe(sorted[n]);
    }
});
