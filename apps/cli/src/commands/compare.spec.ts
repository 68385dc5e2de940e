import { describe, expect, it } from 'vitest';
import { compareText } from './compare.ts';

const side = { selector: 'cpu{version="v1"}', from: 0, until: 1, total: 10e9, samples: 1000, pods: 2 };
const fn = { file: 'p.c', module: 'server', kind: 'native' };

describe('compareText', () => {
  it('shows both sides, the scaled base, what gained, what lost, and the rest', () => {
    const text = compareText({
      ...{ type: 'cpu', unit: 'nanoseconds', per: 'cpu', scale: 0.5 },
      base: side,
      with: { ...side, selector: 'cpu{version="v2"}', total: 5e9 },
      gained: [{ ...fn, function: 'price_v2', base: { self: 0, total: 0 }, self: 3e9, total: 3e9, change: 3e9 }],
      lost: [{ ...fn, function: 'parse', base: { self: 8e9, total: 8e9 }, self: 1e9, total: 1e9, change: -3e9 }],
      others: { functions: 7, baseSelf: 2e9, self: 1e9, change: 0 },
    });
    expect(text.split('\n').map((line) => line.replace(/\s+/g, ' ').trim())).toEqual([
      'base 10.00 s of CPU, 1000 samples, 2 pods cpu{version="v1"}',
      'with 5.00 s of CPU, 1000 samples, 2 pods cpu{version="v2"}',
      'base × 0.5000: the same CPU time',
      'change base with function module',
      expect.stringMatching(/^-+/),
      '+3.00 0.00 3.00 price_v2 server',
      '-3.00 4.00 1.00 parse server',
      '0.00 1.00 1.00 (7 others)',
      '',
    ]);
  });
});
