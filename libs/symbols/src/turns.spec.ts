import { expect, it } from 'vitest';
import { Turns } from './turns.ts';

it('lets so many run at once, in order, whatever comes of them', async () => {
  const turns = new Turns(2);
  const started: number[] = [];
  let [running, most] = [0, 0];
  const all = Array.from({ length: 7 }, (_, i) =>
    turns.take(async () => {
      started.push(i);
      most = Math.max(most, ++running);
      await Promise.resolve();
      running--;
      if (i % 2) throw new Error('odd');
    }),
  );
  const ends = await Promise.allSettled(all);
  expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(3);
  expect([started, most, running]).toEqual([[0, 1, 2, 3, 4, 5, 6], 2, 0]);
});
