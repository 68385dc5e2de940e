import { expect, it } from 'vitest';
import { bodyHash } from './index.ts';

/** Length and hash, from xxHash's own sanity check (https://github.com/Cyan4973/xxHash/blob/dev/tests/sanity_test_vectors.h). */
const VECTORS = [
  [0, '99aa06d3014798d86001c324468d497f'],
  [1, 'a6cd5e9392000f6ac44bdff4074eecdb'],
  [6, '082afe0b8162d12a3e7039bdda43cfc6'],
  [12, '6e3efd8fc7802b18061a192713f69ad9'],
  [24, '0ce966e4678d37611e7044d28b1b901d'],
  [48, 'a002ac4e5478227ef942219aed80f67b'],
  [222, '337e09641b948717f1aebd597cec6b3a'],
  [403, '1b6de21e332dd73dcdeb804d65c6dea4'],
  [2048, 'f736557fd47073a5dd59e2c3a5f038e0'],
] as const;

it('is XXH3, whatever the processor has: a block that one machine began is finished on another', () => {
  const bytes = new Uint8Array(2048 + 3);
  let state = 2_654_435_761n;
  for (let i = 0; i < 2048; i++) {
    // Not aligned, as bodies within a batch are.
    bytes[i + 3] = Number(state >> 56n);
    state = BigInt.asUintN(64, state * 11_400_714_785_074_694_797n);
  }
  expect(VECTORS.map(([length]) => [length, bodyHash(bytes.subarray(3, 3 + length))])).toEqual(VECTORS);
});
