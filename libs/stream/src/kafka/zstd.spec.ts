import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import { expect, it } from 'vitest';
import { compress, decompress, frameContentSize, isUnpacked } from './zstd.ts';

/** As clients do that do not know the size when they begin. */
const unsized = promisify(zstdCompress);

it.each([0, 1, 255, 256, 70_000, 5_000_000])(
  'gives %i bytes back, whose frame says how many they are',
  async (size) => {
    const bytes = Buffer.concat([randomBytes(size >> 1), Buffer.alloc(size - (size >> 1))]);
    const packed = await compress(bytes);
    expect(frameContentSize(packed)).toBe(size);
    expect((await decompress(packed)).equals(bytes)).toBe(true);
    const foreign = await unsized(bytes);
    expect((await decompress(foreign)).equals(bytes)).toBe(true);
  },
);

it('takes the memory of a batch once', async () => {
  const unpacked = await decompress(await compress(randomBytes(100_000)));
  expect(unpacked.buffer.byteLength).toBeLessThan(100_000 + 1000);
});

it.each([1, 1000, 5000, 20_000, 32_000])(
  'does not take the pool, in which %i bytes lie, for a buffer of their own',
  async (size) => {
    const unpacked = await decompress(await compress(randomBytes(size)));
    expect([unpacked.length, isUnpacked(unpacked)]).toEqual([size, false]);
  },
);

it('knows a batch that has its buffer for itself', async () => {
  for (const size of [70_000, 5_000_000]) {
    const packed = await compress(randomBytes(size));
    const unpacked = await decompress(packed);
    // More than a piece is put together, at its exact size.
    expect([unpacked.length, isUnpacked(unpacked), isUnpacked(packed)]).toEqual([size, true, false]);
  }
});

it('believes no frame: a bomb ends at the bound, a false size costs no more than a piece', async () => {
  const bomb = await compress(Buffer.alloc(8 << 20));
  expect(bomb.length).toBeLessThan(2000);
  await expect(decompress(bomb, 4 << 20)).rejects.toThrow(/larger than 4194304 bytes/);
  await expect(decompress(await unsized(Buffer.alloc(8 << 20)), 4 << 20)).rejects.toThrow(/larger than 4194304 bytes/);
  const huge = Buffer.from('28b52ffdc0000000000000ffff0100', 'hex');
  huge.writeBigUInt64LE(1n << 50n, 6);
  expect(frameContentSize(huge)).toBe(2 ** 50);
  await expect(decompress(huge)).rejects.toThrow();
});

it('refuses what is cut off or no zstd', async () => {
  const packed = await compress(randomBytes(10_000));
  await expect(decompress(packed.subarray(0, 5000))).rejects.toThrow();
  await expect(decompress(randomBytes(100))).rejects.toThrow();
  expect([frameContentSize(Buffer.alloc(0)), frameContentSize(packed.subarray(0, 6))]).toEqual([null, null]);
});
