import { expect, it } from 'vitest';
import { ownsBuffer, releaseBytes } from './index.ts';

it('gives memory back that nobody shares, and leaves what others have a part of', () => {
  const own = new Uint8Array(100);
  releaseBytes(own);
  expect([own.byteLength, own.buffer.detached]).toEqual([0, true]);
  releaseBytes(own);
  const shared = new Uint8Array(100).fill(7);
  releaseBytes(shared.subarray(10, 20));
  expect(shared.every((byte) => byte === 7)).toBe(true);
  const part = shared.subarray(10, 20);
  ownsBuffer(part);
  releaseBytes(part);
  expect(shared.buffer.detached).toBe(true);
});
