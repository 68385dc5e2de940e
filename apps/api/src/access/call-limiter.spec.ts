import { expect, it } from 'vitest';
import { CallLimiter } from './call-limiter.ts';

it('lets a caller have so many requests at a time, each until it is over, and others theirs', () => {
  const limiter = new CallLimiter({ requestsPerSecond: 1000, concurrent: 2 }, () => 0);
  const over = [limiter.begin('a'), limiter.begin('a')];
  expect(() => limiter.begin('a')).toThrow(/a has 2 requests that are not answered yet/);
  limiter.begin('b');
  over[0]!();
  over[0]!();
  limiter.begin('a');
  expect(() => limiter.begin('a')).toThrow(/not answered yet/);
});

it('refuses requests over the rate until time has passed', () => {
  let now = 0;
  const limiter = new CallLimiter({ requestsPerSecond: 2, concurrent: 100 }, () => now);
  for (let i = 0; i < 20; i++) limiter.begin('a')();
  expect(() => limiter.begin('a')).toThrow(/a sends more than 2 requests a second/);
  limiter.begin('b')();
  now += 1000;
  for (let i = 0; i < 2; i++) limiter.begin('a')();
  expect(() => limiter.begin('a')).toThrow(/more than 2/);
});
