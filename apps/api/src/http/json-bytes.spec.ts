import { describe, expect, it } from 'vitest';
import { Random } from '@perfleet/simulate';
import { jsonBytes } from './json-bytes.ts';

const text = (value: unknown) => jsonBytes(value).toString('utf8');

describe('jsonBytes', () => {
  it('is what JSON.stringify says where there are no columns', () => {
    for (const value of [null, 'é"\\', 1.5, true, [], {}, { a: [1, { b: null }], c: undefined, 'd"': '' }, { e: {} }])
      expect(text(value)).toBe(JSON.stringify(value));
  });

  it('writes columns as lists, in objects that stand in each other', () => {
    const value = {
      ...{ unit: 'ns', none: new Int32Array(0) },
      graph: {
        parent: Int32Array.of(-1, 0, 10, 99, 100, 999, 1000, 9999, 10_000, 2 ** 31 - 1, -(2 ** 31)),
        strings: ['a'],
      },
    };
    expect(JSON.parse(text(value))).toEqual({
      ...{ unit: 'ns', none: [] },
      graph: { parent: [...value.graph.parent], strings: ['a'] },
    });
  });

  it('writes every length of integer, and the integers beside its bounds', () => {
    const powers = Array.from({ length: 16 }, (_, i) => 10 ** i);
    const whole = powers.flatMap((power) => [power - 1, power, power + 1, power * 7, -power]);
    const values = [...whole.filter((value) => Number.isSafeInteger(value)), Number.MAX_SAFE_INTEGER];
    expect(text(Float64Array.from(values))).toBe(JSON.stringify(values));
  });

  it('writes what is no safe integer as JSON.stringify does', () => {
    const values = [
      0.5,
      -0,
      2 ** 53,
      1e300,
      -Number.MIN_VALUE,
      -2.2250738585072014e-308,
      -1.2345678901234567e-6,
      NaN,
      Infinity,
    ];
    for (const value of values) expect(text(Float64Array.of(value))).toBe(JSON.stringify([value]));
    expect(text(Float64Array.from(values))).toBe(JSON.stringify(values));
  });

  it('writes random columns, longer than what is written at once', () => {
    const random = new Random(7, 1);
    const values = Float64Array.from({ length: 20_000 }, () => Math.floor(random.fraction() * 10 ** random.below(16)));
    expect(text(values)).toBe(JSON.stringify([...values]));
  });
});
