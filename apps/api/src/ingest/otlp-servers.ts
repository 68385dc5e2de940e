import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type ServerHttp2Session,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { Logger } from '@perfleet/observability';
import { ProfilesService } from '@perfleet/otlp';
import { fastify, type FastifyInstance } from 'fastify';
import { guardRoutes, type Access } from '../access/access-guard.ts';
import { guardGrpc } from '../access/grpc-guard.ts';
import { callerKey } from '../access/limit-messages.ts';
import { connectErrors } from '../connect/connect-error.ts';
import { withCaller } from '../connect/with-caller.ts';
import { COMPRESSIONS } from '../connect/zstd.ts';
import type { Origins, SecureServer, TlsIdentity } from '@perfleet/http-guard';
import { ApiError } from '../http/api-error.ts';
import { hostGuard } from '../http/host-guard.ts';
import { serverSettings } from '../http/server-settings.ts';
import { INGEST_LIMITS } from './limits.ts';
import type { IngestService } from './ingest-service.ts';
import { serveOtlpHttp } from './otlp-http.ts';

export interface OtlpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** OTLP over gRPC. */
export async function openOtlpGrpc(
  ingest: IngestService,
  host: string,
  port: number,
  access: Access,
  logger: Logger,
  tls: TlsIdentity | null = null,
): Promise<OtlpServer> {
  const handler = connectNodeAdapter({
    connect: false,
    grpcWeb: false,
    acceptCompression: COMPRESSIONS,
    readMaxBytes: INGEST_LIMITS.expandedBytes,
    contextValues: withCaller,
    interceptors: [connectErrors(logger)],
    routes: (router) =>
      router.service(ProfilesService, {
        async export(request, context) {
          // The schema has no fields: what came is kept as unknown ones, byte by byte.
          const body = toBinary(ProfilesService.method.export.input, request);
          const sender = { name: context.values.get(callerKey).name, bytes: body.length };
          await ingest.otlp(sender, () => body).catch(askAgain);
          return {};
        },
      }),
  });
  const settings = { maxConcurrentStreams: 16 };
  const guarded = guardGrpc(access, handler);
  const secure = tls ? createSecureServer({ settings, cert: tls.cert, key: tls.key }, guarded) : null;
  if (secure) tls?.follow?.(secure);
  const server = secure ?? createServer({ settings }, guarded);
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', () => session.destroy());
  });
  server.on('sessionError', (error) => logger.debug({ error: error.message }, 'a gRPC connection ended'));
  await listen(server, port, host);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
}

/** OTLP's senders give up on `RESOURCE_EXHAUSTED`; what passes with time is `UNAVAILABLE`. */
function askAgain(error: unknown): never {
  if (error instanceof ApiError && error.status === 429) throw new ConnectError(error.message, Code.Unavailable);
  throw error;
}

/** OTLP over HTTP, on a port of its own. */
export async function openOtlpHttp(
  ingest: IngestService,
  host: string,
  port: number,
  origins: Origins,
  access: Access,
  logger: Logger,
  tls: TlsIdentity | null = null,
  arrivalMs?: number,
): Promise<OtlpServer> {
  const app = fastify({ ...serverSettings(tls, arrivalMs), forceCloseConnections: true }) as unknown as FastifyInstance;
  app.addHook('onRequest', hostGuard(origins));
  guardRoutes(app, access);
  await serveOtlpHttp(app, ingest, logger);
  await app.listen({ port, host });
  tls?.follow?.(app.server as unknown as SecureServer);
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}

function listen(server: Http2Server | Http2SecureServer, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
