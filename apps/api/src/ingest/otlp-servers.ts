import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { Logger } from '@perfleet/observability';
import { ProfilesService } from '@perfleet/otlp';
import { fastify } from 'fastify';
import { connectErrors } from '../connect/connect-error.ts';
import { remoteAddress, withRemoteAddress } from '../connect/remote-address.ts';
import { COMPRESSIONS } from '../connect/zstd.ts';
import type { Origins } from '@perfleet/http-guard';
import { ApiError } from '../http/api-error.ts';
import { hostGuard } from '../http/host-guard.ts';
import { INGEST_LIMITS } from './limits.ts';
import type { IngestService } from './ingest-service.ts';
import { serveOtlpHttp } from './otlp-http.ts';

export interface OtlpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** OTLP over gRPC without TLS. */
export async function openOtlpGrpc(
  ingest: IngestService,
  host: string,
  port: number,
  logger: Logger,
): Promise<OtlpServer> {
  const handler = connectNodeAdapter({
    connect: false,
    grpcWeb: false,
    acceptCompression: COMPRESSIONS,
    readMaxBytes: INGEST_LIMITS.expandedBytes,
    contextValues: withRemoteAddress,
    interceptors: [connectErrors(logger)],
    routes: (router) =>
      router.service(ProfilesService, {
        async export(request, context) {
          // The schema has no fields: what came is kept as unknown ones, byte by byte.
          const body = toBinary(ProfilesService.method.export.input, request);
          const sender = { address: context.values.get(remoteAddress), bytes: body.length };
          await ingest.otlp(sender, () => body).catch(askAgain);
          return {};
        },
      }),
  });
  const server = createServer({ settings: { maxConcurrentStreams: 16 } }, handler);
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
  logger: Logger,
): Promise<OtlpServer> {
  const app = fastify({ forceCloseConnections: true });
  app.addHook('onRequest', hostGuard(origins));
  await serveOtlpHttp(app, ingest, logger);
  await app.listen({ port, host });
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}

function listen(server: Http2Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
