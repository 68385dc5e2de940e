import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, zstdDecompress } from 'node:zlib';
import { UploadError } from './upload-error.ts';

const decompress = promisify(zstdDecompress);
/** A frame may ask for more memory than it has bytes: 8 MiB are enough for chunks of 4. */
const PARAMS = { [constants.ZSTD_d_windowLogMax]: 23 };

/**
 * The bytes of a chunk, of which there must be exactly `length`: what unpacks to more is given up there.
 * @throws UploadError 422
 */
export async function unpackChunk(body: Uint8Array, length: number): Promise<Buffer> {
  let plain: Buffer;
  try {
    plain = await decompress(body, { maxOutputLength: length, params: PARAMS });
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE')
      throw new UploadError(422, `the chunk unpacks to more than its ${length} bytes`);
    throw new UploadError(422, `the chunk is no zstd frame: ${(cause as Error).message}`);
  }
  if (plain.length !== length) throw new UploadError(422, `the chunk has ${plain.length} bytes instead of ${length}`);
  return plain;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
