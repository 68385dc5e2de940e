import { expect, it } from 'vitest';
import { RateLimiter } from './rate-limiter.ts';

it('lets each sender have its rate, and ten seconds of it at once', () => {
  let now = 0;
  const limiter = new RateLimiter({ requestsPerSecond: 1, mibPerSecond: 1 }, () => now);
  const take = (count: number, sender = 'a', bytes = 10) =>
    Array.from({ length: count }, () => limiter.take(sender, bytes)).filter(Boolean).length;
  expect(take(20)).toBe(10);
  expect(take(5, 'b')).toBe(5);
  now = 2000;
  expect(take(20)).toBe(2);
  now = 100_000;
  expect(limiter.take('a', 11 << 20)).toBe(false);
  expect(limiter.take('a', 10 << 20)).toBe(true);
  expect(limiter.take('a', 1)).toBe(false);
});
