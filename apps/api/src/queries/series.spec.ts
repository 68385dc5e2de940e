import { expect, it } from 'vitest';
import { defaultStep, stepsOf } from './series.ts';
import { sourceOf } from './sources.ts';

const HOUR = 3600;
const T0 = 1_795_644_600;
const range = (seconds: number) => ({ from: T0 + 17, until: T0 + 17 + seconds });

it.each([
  [1, 1],
  [HOUR, 12],
  [16 * HOUR, 192],
  [17 * HOUR, 600],
  [24 * HOUR, 600],
  [7 * 24 * HOUR, 2400],
  [400 * 24 * HOUR, 115_200],
])('a range of %s s has steps of %s s', (seconds, step) => {
  expect(defaultStep(range(seconds))).toBe(step);
  expect(stepsOf(range(seconds), step).count).toBeLessThanOrEqual(302);
});

it('steps of a day come from roll-ups but for the edges', () => {
  const { samples } = sourceOf({ type: 'cpu', matchers: [] }, range(24 * HOUR), {
    step: defaultStep(range(24 * HOUR)),
  });
  expect(samples.match(/FROM samples\w*/g)).toEqual(['FROM samples', 'FROM samples_10m']);
});
