import { expect, it } from 'vitest';
import { withRevision } from './native-revision.ts';

const text = (s: string) => [s.length, ...Buffer.from(s)];
const u64 = (n: number) => [n, 0, 0, 0, 0, 0, 0, 0];
const INFO = [1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0];
const bytes = (...parts: number[][]) => Uint8Array.from(parts.flat());

/** Two rows of each type, and how its values are written. */
const VALUES: Array<[string, number[]]> = [
  ['UInt8', [1, 2]],
  ["Enum8('a,b' = 1, 'c)' = 2)", [1, 2]],
  ['String', [1, 65, 0]],
  ['FixedString(3)', [1, 2, 3, 4, 5, 6]],
  ["DateTime64(3, 'UTC')", [...u64(1), ...u64(2)]],
  ['Nullable(UInt16)', [0, 1, 1, 1, 0, 0]],
  ['Decimal(18, 2)', [...u64(1), ...u64(2)]],
  ['IntervalSecond', [...u64(1), ...u64(2)]],
  ['Array(Array(UInt8))', [...u64(1), ...u64(3), ...u64(2), ...u64(2), ...u64(3), 7, 8, 9]],
  ['Map(String, UInt8)', [...u64(1), ...u64(2), 1, 65, 1, 66, 3, 4]],
  // Version of the dictionary; indexes of one byte with keys of their own; two keys; two indexes.
  ['LowCardinality(Nullable(String))', [...u64(1), 0, 6, ...u64(0).slice(2), ...u64(2), 0, 1, 65, ...u64(2), 1, 0]],
  [
    'Map(LowCardinality(String), UInt8)',
    [...u64(1), ...u64(1), ...u64(2), 1, 6, ...u64(0).slice(2), ...u64(1), 1, 65, ...u64(2), 0, 0, 0, 0, 3, 4],
  ],
  ['Array(LowCardinality(String))', [...u64(1), ...u64(0), ...u64(0)]],
  ['Tuple(a UInt8, `b c` Tuple(UInt8, String))', [1, 2, 3, 4, 0, 1, 65]],
  ['Nested(a UInt8, b String)', [...u64(1), ...u64(2), 1, 2, 0, 0]],
];

it.each(VALUES)('marks a column of %s and the one behind it', (type, values) => {
  const native = bytes([2, 2], text('x'), text(type), values, text('y'), text('UInt8'), [1, 2]);
  const expected = bytes(INFO, [2, 2], text('x'), text(type), [0], values, text('y'), text('UInt8'), [0], [1, 2]);
  expect([...withRevision(native, 54460)]).toEqual([...expected]);
});

it('marks blocks only for versions in between, nothing for none, and each block of several', () => {
  const block = bytes([1, 1], text('x'), text('UInt8'), [5]);
  const empty = bytes([1, 0], text('x'), text('UInt8'));
  expect([...withRevision(block, 54405)]).toEqual([...bytes(INFO, [...block])]);
  expect(withRevision(block, 0)).toBe(block);
  expect([...withRevision(bytes([...empty], [...block]), 54405)]).toEqual([
    ...bytes(INFO, [...empty], INFO, [...block]),
  ]);
  expect(withRevision(new Uint8Array(0), 54460)).toHaveLength(0);
});

it('refuses types whose values have no known length', () => {
  const native = bytes([1, 1], text('x'), text('Dynamic'), [0]);
  expect(() => withRevision(native, 54460)).toThrow(/type Dynamic cannot be sent in Native.*cast it/);
});
