import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { CompressionCodecs, CompressionTypes } from './kafkajs.ts';

/** A record batch in a format that this client does not read. It stays where it is: skipping it would be a silent loss. */
export class UnsupportedCodecError extends Error {
  override readonly name = 'UnsupportedCodecError';
}

/** A batch of a few kilobytes must not unpack into all of the memory. */
const MAX_UNPACKED_BYTES = 256 << 20;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

function refused(codec: string) {
  return () => {
    const fail = async (): Promise<never> => {
      throw new UnsupportedCodecError(
        `${codec} is not supported; let producers send zstd, gzip or none, or set the topic's compression.type to zstd`,
      );
    };
    return { compress: fail, decompress: fail };
  };
}

/** kafkajs brings gzip only. */
export function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: (encoder: { buffer: Buffer }) =>
      compress(encoder.buffer, { params: { [constants.ZSTD_c_compressionLevel]: 3 } }),
    decompress: (buffer: Buffer) => decompress(buffer, { maxOutputLength: MAX_UNPACKED_BYTES }),
  });
  CompressionCodecs[CompressionTypes.Snappy] = refused('snappy');
  CompressionCodecs[CompressionTypes.LZ4] = refused('lz4');
}
