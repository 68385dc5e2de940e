import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream';
import { releaseBytes } from '@perfleet/bytes';
import { ClickHouseError } from './store.ts';

/** Of a body that declares its length so much is taken at once, and more when it comes: declaring costs nothing. */
const AT_ONCE = 64 << 20;

/**
 * The body of a request. Pieces, each a buffer of its own of up to 64 KiB, are given back as soon as they are copied. As events, for an iterator joins those that wait, and keeps them.
 * @throws ClickHouseError when it is longer than `limit` bytes
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  let body = Buffer.allocUnsafeSlow(Math.min(declared, limit, AT_ONCE));
  let bytes = 0;
  return new Promise((resolve, reject) => {
    const stop = finished(request, { writable: false }, (cause) => {
      request.off('data', take);
      if (cause) reject(cause);
      else resolve(body.subarray(0, bytes));
    });
    const take = (piece: Buffer) => {
      const end = bytes + piece.byteLength;
      if (end > limit) {
        stop();
        // The connection stays open for the answer.
        request.off('data', take).pause();
        reject(tooLarge(limit));
        return;
      }
      if (end > body.byteLength) body = grown(body, bytes, Math.min(limit, Math.max(end, 2 * body.byteLength)));
      body.set(piece, bytes);
      releaseBytes(piece);
      bytes = end;
    };
    request.on('data', take);
  });
}

function grown(body: Buffer<ArrayBuffer>, used: number, size: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(size);
  body.copy(larger, 0, 0, used);
  releaseBytes(body);
  return larger;
}

export const tooLarge = (limit: number, cause?: unknown) =>
  new ClickHouseError(`Code: 307. The body is over ${limit} bytes: send it in parts.`, 307, { cause });
