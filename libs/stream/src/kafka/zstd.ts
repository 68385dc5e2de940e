import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress, type ZstdOptions } from 'node:zlib';

/** A batch of a few kilobytes must not unpack into all of the memory. */
const MAX_UNPACKED_BYTES = 256 << 20;
/** What a frame says of its size is believed so far: more comes in further pieces. A batch is a megabyte at most unless a broker allows more. */
const MAX_PIECE_BYTES = 2 << 20;
const MIN_PIECE_BYTES = 16 << 10;
/** Profiles pack into a third; of frames that do not say their size. */
const USUAL_RATIO = 4;
/** With none left over, the output counts as full and a further piece is asked for, which stays empty. */
const SPARE_BYTES = 64;

const MAGIC = 0xfd2fb528;
const LEVEL = { [constants.ZSTD_c_compressionLevel]: 3 };

const run = {
  compress: promisify(zstdCompress),
  decompress: promisify<Buffer, ZstdOptions, Buffer>(zstdDecompress),
};

/** In the thread pool. The frame says its size, so that whoever unpacks it takes the memory once. */
export const compress = (bytes: Buffer): Promise<Buffer> =>
  run.compress(bytes, { params: LEVEL, pledgedSrcSize: bytes.length });

/**
 * In the thread pool, in one piece where it can be: by default Node takes 16 kB at a time, each a turn of the pool, and copies them together.
 * @throws Error when the bytes are no zstd, or unpack into more than `maxBytes`
 */
export async function decompress(bytes: Buffer, maxBytes = MAX_UNPACKED_BYTES): Promise<Buffer> {
  const size = frameContentSize(bytes);
  const expected = size === null ? USUAL_RATIO * bytes.length : size + SPARE_BYTES;
  const chunkSize = Math.max(size === null ? MIN_PIECE_BYTES : SPARE_BYTES, Math.min(expected, MAX_PIECE_BYTES));
  const result = await run.decompress(bytes, { maxOutputLength: maxBytes, chunkSize });
  // Short ones lie in Node's pool beside what has nothing to do with them.
  if (result.byteOffset === 0 && result.buffer.byteLength <= result.length + SPARE_BYTES) unpacked.add(result.buffer);
  return result;
}

const unpacked = new WeakSet<ArrayBufferLike>();

/** Whether bytes are known to be of a batch that was unpacked into a buffer of its own, which holds that batch and nothing else. */
export const isUnpacked = ({ buffer }: Uint8Array): boolean => unpacked.has(buffer);

/** What the first frame says of its size, bytes; null when it does not. RFC 8878, 3.1.1.1. */
export function frameContentSize(bytes: Buffer): number | null {
  if (bytes.length < 5 || bytes.readUInt32LE(0) !== MAGIC) return null;
  const descriptor = bytes[4]!;
  const single = (descriptor & 0x20) !== 0;
  const at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  const length = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  if (length === 0 || bytes.length < at + length) return null;
  if (length === 8) return Number(bytes.readBigUInt64LE(at));
  return bytes.readUIntLE(at, length) + (length === 2 ? 256 : 0);
}
