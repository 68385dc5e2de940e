import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { Code, ConnectError } from '@connectrpc/connect';
import { compressionGzip } from '@connectrpc/connect-node';

type Compression = typeof compressionGzip;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

const compressionZstd: Compression = {
  name: 'zstd',
  async compress(bytes) {
    return new Uint8Array(await compress(bytes));
  },
  async decompress(bytes, readMaxBytes) {
    if (bytes.length === 0) return new Uint8Array(0);
    try {
      return new Uint8Array(await decompress(bytes, { maxOutputLength: readMaxBytes }));
    } catch (cause) {
      const tooLarge = (cause as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE';
      const message = tooLarge ? `the message is over ${readMaxBytes} bytes when decompressed` : 'the body is not zstd';
      throw new ConnectError(message, tooLarge ? Code.ResourceExhausted : Code.InvalidArgument);
    }
  },
};

export const COMPRESSIONS = [compressionGzip, compressionZstd];
