import { describe, expect, it } from 'vitest';
import { ApiError } from './api-error.ts';
import { parseRange, parseTime } from './time.ts';

const NOW = 1_800_000_000_500;

describe('parseTime', () => {
  it.each([
    ['now', NOW],
    ['now-15m', NOW - 900_000],
    ['now - 2h', NOW - 7_200_000],
    ['now-250ms', NOW - 250],
    ['now-1w', NOW - 604_800_000],
    ['1700000000', 1_700_000_000_000],
    ['1700000000.25', 1_700_000_000_250],
    ['1700000000250', 1_700_000_000_250],
    ['2023-11-14T22:13:20Z', 1_700_000_000_000],
    ['2023-11-15T00:13:20.250+02:00', 1_700_000_000_250],
    ['2023-11-14', 1_699_920_000_000],
  ])('reads %s', (text, ms) => expect(parseTime('from', text, NOW)).toBe(ms));

  it.each([
    '',
    'yesterday',
    'now+1h',
    'now-1y',
    '-5',
    '1e9',
    '0x10',
    'NaN',
    '2023-13-40',
    '2023-11-14T22:13:20',
    '2023-02-30T25:00:00Z',
  ])('refuses %j', (text) => expect(() => parseTime('from', text, NOW)).toThrow(ApiError));
});

describe('parseRange', () => {
  it('is the last hour when nothing is said, and holds the second that has begun', () => {
    expect(parseRange(undefined, undefined, NOW)).toEqual({ from: 1_799_996_400, until: 1_800_000_001 });
  });

  it('stays within what a DateTime holds', () => {
    expect(parseRange('0', '9999-01-01', NOW)).toEqual({ from: 0, until: 2 ** 32 - 1 });
  });

  it('refuses an empty or reversed range', () => {
    expect(() => parseRange('100', '100', NOW)).toThrow('from must lie before until');
    expect(() => parseRange('now', 'now-1h', NOW)).toThrow('from must lie before until');
  });
});
