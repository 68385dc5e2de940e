import { expect, it } from 'vitest';
import { formatTable } from './table.ts';

const LONG = `${'namespace::'.repeat(12)}function(int)`;

it('aligns numbers to the right and text to the left', () => {
  const text = formatTable(
    ['n', 'name'],
    [
      [1, 'a'],
      [200, 'bc'],
    ],
    { width: Infinity },
  );
  expect(text).toBe('  n  name\n---  ----\n  1  a\n200  bc\n');
});

it('cuts the middle of the widest text column to fit a terminal, and nothing in a file', () => {
  const rows = [[12.5, LONG, 'node']];
  const lines = formatTable(['self', 'function', 'module'], rows, { width: 60 }).trimEnd().split('\n');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
  expect(lines[2]).toMatch(/^12\.5 {2}namespace::.*….*function\(int\) {2}node$/);
  expect(formatTable(['self', 'function', 'module'], rows, { width: Infinity })).toContain(LONG);
});

it('stops cutting where nothing would be left, also for numbers', () => {
  const rows = [[1e300, 2e300, 3e300]];
  expect(formatTable(['a', 'b', 'c'], rows, { width: 3 })).toContain('3e+300');
  expect(formatTable(['text'], [[LONG]], { width: 1 }).split('\n')[2]).toHaveLength(16);
});

it('shows control characters and does not send them', () => {
  expect(formatTable(['name'], [['a\u001b[2Jb\nc']], { width: Infinity })).toContain('a\ufffd[2Jb\ufffdc');
});
