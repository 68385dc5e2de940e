import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { callerOf } from '../access/caller.ts';
import { ApiError } from '../http/api-error.ts';
import { INGEST_LIMITS } from './limits.ts';
import type { Sender } from './ingest-service.ts';

const DECODERS = { gzip: promisify(gunzip), zstd: promisify(zstdDecompress) } as const;

/** Bodies of a scope's routes are bytes, whatever their type says, of at most `INGEST_LIMITS.bodyBytes`. */
export function takeBytes(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: INGEST_LIMITS.bodyBytes }, (_request, body, done) =>
    done(null, body),
  );
}

export function senderOf(request: FastifyRequest): Sender {
  return { name: callerOf(request.raw).name, bytes: (request.body as Buffer | undefined)?.length ?? 0 };
}

/** The body without its content encoding. @throws ApiError 400, 413, 415 */
export async function expandedBody(request: FastifyRequest): Promise<Buffer> {
  const body = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity' || encoding === '') return body;
  if (encoding !== 'gzip' && encoding !== 'zstd')
    throw new ApiError(415, 'encoding', `content encoding ${encoding.slice(0, 50)} is not supported: use gzip or zstd`);
  try {
    return await DECODERS[encoding](body, { maxOutputLength: INGEST_LIMITS.expandedBytes });
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE')
      throw new ApiError(413, 'too-large', `the body is over ${INGEST_LIMITS.expandedBytes} bytes when decompressed`);
    throw new ApiError(400, 'bad-request', `the body is not ${encoding}: ${(cause as Error).message}`);
  }
}

/** Status and words of an error for a protocol's own form; what nobody expected is not told. */
export function refusalOf(error: unknown): { status: number; message: string; expected: boolean } {
  if (error instanceof ApiError) return { status: error.status, message: error.message, expected: true };
  const { statusCode, message } = error as { statusCode?: unknown; message?: string };
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return { status: statusCode, message: message ?? 'bad request', expected: true };
  return { status: 500, message: 'an error inside the API; its log has the details', expected: false };
}

/** Seconds after which a sender should try again what may pass then. */
export function retryAfter(reply: FastifyReply, status: number): FastifyReply {
  return status === 429 || status === 503 ? reply.header('retry-after', '5') : reply;
}
