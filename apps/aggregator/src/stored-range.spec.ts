import { expect, it } from 'vitest';
import { formatRange, parseRange, type StoredRange } from './stored-range.ts';

it('reads a stored range and nothing else', () => {
  const range = { from: 3n, to: 9n, shard: null, bodies: 'sha256' };
  expect(parseRange('{"from":"3","to":"9"}')).toEqual(range);
  expect(parseRange('{"from":"3","to":"9","shard":"b"}')).toEqual({ ...range, shard: 'b' });
  expect(parseRange('{"from":"3","to":"9","bodies":"xxh3"}')).toEqual({ ...range, bodies: 'xxh3' });
  for (const bad of ['', undefined, 'x', '{}', '7', '{"from":"9","to":"3"}', '{"from":"a","to":"3"}', 'null'])
    expect(parseRange(bad)).toBeNull();
});

it('reads what it wrote, and what a version before this one reads where that could finish it', () => {
  const ranges: StoredRange[] = (['sha256', 'xxh3'] as const).flatMap((bodies) =>
    [null, 'b'].map((shard) => ({ from: 0n, to: 1n << 60n, shard, bodies })),
  );
  expect(ranges.map(formatRange).map(parseRange)).toEqual(ranges);
  expect(formatRange(ranges[1]!)).toBe('{"from":"0","to":"1152921504606846976","shard":"b"}');
});

it('leaves a block alone whose tokens it cannot make', () => {
  expect(() => parseRange('{"from":"3","to":"9","bodies":"xxh9"}')).toThrow(
    /offsets 3 to 9 was begun by a newer version/,
  );
});
