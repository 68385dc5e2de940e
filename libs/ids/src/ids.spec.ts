import { describe, expect, it } from 'vitest';
import { idToHex } from './binary-id.ts';
import { anonymousFrameId, namedFrameId, nativeFrameId, seriesId, stackId } from './ids.ts';
import vectors from './vectors.json' with { type: 'json' };

/** The vectors come from the reference implementation's Python binding (xxhash); the Rust mirror checks the same file. */
interface Vector {
  what: string;
  id: string;
  kind: string;
  binaryId: string;
  address: string;
  function: string;
  file: string;
  line: number;
  mapping: string;
  frames: string[];
  labels: Record<string, string>;
}

const compute: Record<string, (v: Vector) => bigint> = {
  native: (v) => nativeFrameId(v.kind, v.binaryId, BigInt(`0x${v.address}`)),
  named: (v) => namedFrameId(v.kind, v.function, v.file, v.line),
  anonymous: (v) => anonymousFrameId(v.kind, v.mapping),
  stack: (v) => stackId(v.frames.map((frame) => BigInt(`0x${frame}`))),
  series: (v) => seriesId(Object.entries(v.labels)),
};

describe('identifiers', () => {
  it.each((vectors as unknown as Vector[]).map((v, i) => [`${i} ${v.what}`, v] as const))(
    'vector %s',
    (_name, vector) => {
      expect(idToHex(compute[vector.what]!(vector))).toBe(vector.id);
    },
  );

  it('does not depend on the order of labels, and takes empty values as absent', () => {
    const id = seriesId([
      ['a', '1'],
      ['b', '2'],
    ]);
    expect(
      seriesId([
        ['b', '2'],
        ['c', ''],
        ['a', '1'],
      ]),
    ).toBe(id);
    expect(
      seriesId([
        ['a', '12'],
        ['b', ''],
      ]),
    ).not.toBe(id);
  });

  it('keeps frames of different kinds apart', () => {
    expect(anonymousFrameId('a', 'b')).not.toBe(namedFrameId('a', 'b', '', 0));
    expect(stackId([1n, 2n])).not.toBe(stackId([2n, 1n]));
  });
});
