import { describe, expect, it, vi } from 'vitest';
import { matchesPattern } from './pattern.ts';

vi.setConfig({ testTimeout: 60_000 });

/** mulberry32: a run can be repeated by its seed. */
function random(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

describe('patterns', () => {
  it('agree with regular expressions', () => {
    const int = random(7);
    const text = (letters: string, longest: number) =>
      Array.from({ length: int(longest) }, () => letters[int(letters.length)]).join('');
    let matched = 0;
    for (let i = 0; i < 50_000; i++) {
      const pattern = text('ab.*?', 7);
      const name = text('ab.', 9);
      const expected = regexOf(pattern).test(name);
      expect(matchesPattern(pattern, name), `${pattern} on ${name}`).toBe(expected);
      if (expected) matched++;
    }
    expect(matched).toBeGreaterThan(5000);
  });

  it('take a bounded number of steps where a regular expression would not end', () => {
    expect(matchesPattern(`${'a*'.repeat(500)}b`, 'a'.repeat(4000))).toBe(false);
  });
});

function regexOf(pattern: string): RegExp {
  return new RegExp(
    `^${[...pattern].map((c) => (c === '*' ? '.*' : c === '?' ? '.' : `\\u{${c.charCodeAt(0).toString(16)}}`)).join('')}$`,
    'su',
  );
}
