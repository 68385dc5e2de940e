import { CompressionCodecs, CompressionTypes } from './kafkajs.ts';
import { compress, decompress } from './zstd.ts';

/** A record batch in a format that this client does not read. It stays where it is: skipping it would be a silent loss. */
export class UnsupportedCodecError extends Error {
  override readonly name = 'UnsupportedCodecError';
}

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
    compress: (encoder: { buffer: Buffer }) => compress(encoder.buffer),
    decompress: (buffer: Buffer) => decompress(buffer),
  });
  CompressionCodecs[CompressionTypes.Snappy] = refused('snappy');
  CompressionCodecs[CompressionTypes.LZ4] = refused('lz4');
}
