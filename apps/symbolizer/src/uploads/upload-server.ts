import type { AddressInfo } from 'node:net';
import { BinaryStoreError } from '@perfleet/binary-store';
import type { SecureServer, TlsIdentity } from '@perfleet/http-guard';
import { NodeStateUnavailableError } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import type { TokenVerifier } from '@perfleet/tokens';
import {
  CHUNK_HASH_HEADER,
  finishRequestSchema,
  leaseRequestSchema,
  MAX_BODY_BYTES,
  sha256Schema,
} from '@perfleet/uploads';
import { fastify, type FastifyInstance, type FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { UploadError } from './upload-error.ts';
import type { UploadService } from './upload-service.ts';

export interface UploadServerOptions {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Without it the tokens of nodes travel in the clear. */
  readonly tls?: TlsIdentity;
  readonly verifier: TokenVerifier;
  readonly uploads: UploadService;
  readonly logger: Logger;
}

export interface UploadServer {
  /** `http://…` or `https://…` */
  readonly url: string;
  close(): Promise<void>;
}

/** Bodies that are taken at the same time: each may hold a chunk twice in memory. */
const MAX_BODIES = 16;
const JSON_BYTES = 4096;

/** Who sends a request, as its token says. */
const senders = new WeakMap<FastifyRequest, string>();

/** The port that collectors upload binaries to. Every request carries the token of a node, which is looked at before the body. */
export async function openUploadServer(options: UploadServerOptions): Promise<UploadServer> {
  const { host, port, tls, logger } = options;
  const app = fastify({
    ...(tls ? { https: { cert: tls.cert, key: tls.key } } : {}),
    forceCloseConnections: true,
    bodyLimit: JSON_BYTES,
    requestTimeout: 120_000,
  }) as unknown as FastifyInstance;
  guard(app, options);
  routes(app, options.uploads);
  app.setErrorHandler((error, request, reply) => {
    const { status, message } = answerOf(error);
    if (status === 500) logger.error({ path: request.url, error: (error as Error).stack }, 'bug');
    if (status === 503) void reply.header('retry-after', '5');
    return reply.status(status).send({ error: message });
  });
  await app.listen({ host, port });
  tls?.follow?.(app.server as unknown as SecureServer);
  const address = app.server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return { url: `${tls ? 'https' : 'http'}://${name}:${address.port}`, close: () => app.close() };
}

function guard(app: FastifyInstance, { verifier, uploads }: UploadServerOptions): void {
  let bodies = 0;
  app.addHook('onRequest', async (request, reply) => {
    const verdict = await verifier.verify(request.headers.authorization, { scope: 'node' });
    if (!verdict.ok) {
      uploads.onDenied();
      if (verdict.status === 401) void reply.header('www-authenticate', 'Bearer');
      throw new UploadError(verdict.status, verdict.reason);
    }
    senders.set(request, verdict.token.node);
    if (request.method !== 'PUT') return;
    if (bodies >= MAX_BODIES) throw new UploadError(503, 'too many chunks at once');
    bodies++;
    reply.raw.once('close', () => bodies--);
  });
  app.removeAllContentTypeParsers();
  const takeJson = { parseAs: 'buffer', bodyLimit: JSON_BYTES } as const;
  app.addContentTypeParser('application/json', takeJson, (_, body, done) => done(null, body));
  app.addContentTypeParser('application/zstd', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_, body, done) =>
    done(null, body),
  );
}

function routes(app: FastifyInstance, uploads: UploadService): void {
  app.post('/api/v1/leases', async (request) => uploads.lease(nodeOf(request), bodyOf(request, leaseRequestSchema)));
  app.get<{ Params: { id: string } }>('/api/v1/uploads/:id', async (request) =>
    uploads.state(nodeOf(request), request.params.id),
  );
  app.put<{ Params: { id: string; index: string } }>('/api/v1/uploads/:id/chunks/:index', async (request, reply) => {
    const hash = sha256Schema.safeParse(request.headers[CHUNK_HASH_HEADER]);
    if (!hash.success) throw new UploadError(400, `header ${CHUNK_HASH_HEADER} is no SHA-256`);
    if (!Buffer.isBuffer(request.body)) throw new UploadError(400, 'a chunk has a body of type application/zstd');
    const { id, index } = request.params;
    await uploads.chunk(nodeOf(request), id, Number(index), hash.data, request.body);
    return reply.status(204).send();
  });
  app.post<{ Params: { id: string } }>('/api/v1/uploads/:id/finish', async (request) => {
    const { sha256 } = bodyOf(request, finishRequestSchema);
    return uploads.finish(nodeOf(request), request.params.id, sha256);
  });
}

function nodeOf(request: FastifyRequest): string {
  const node = senders.get(request);
  if (node === undefined) throw new UploadError(401, 'this needs the token of a node');
  return node;
}

function bodyOf<T>(request: FastifyRequest, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(String(request.body));
  } catch {
    throw new UploadError(400, 'the body is no JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UploadError(400, `${issue?.path.join('.')}: ${issue?.message}`.slice(0, 300));
}

/** What nobody expected is not told. */
function answerOf(error: unknown): { status: number; message: string } {
  if (error instanceof UploadError) return error;
  if (error instanceof NodeStateUnavailableError) return { status: 503, message: 'the state store is away' };
  if (error instanceof BinaryStoreError) return { status: 503, message: 'the store of binaries is away' };
  const { statusCode, message } = error as { statusCode?: unknown; message?: string };
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return { status: statusCode, message: message ?? 'bad request' };
  return { status: 500, message: 'an error inside the symbolizer; its log has the details' };
}
