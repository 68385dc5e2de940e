import type { ConnectRouter, Interceptor } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { Logger } from '@perfleet/observability';
import type { FastifyInstance } from 'fastify';
import type { RouteAccess } from '../access/route-access.ts';
import { refusalOf } from '../ingest/body.ts';
import { connectErrors } from './connect-error.ts';
import { withCaller } from './with-caller.ts';
import { COMPRESSIONS } from './zstd.ts';

export interface ConnectOptions {
  /** Full names of the services, e.g. `querier.v1.QuerierService`: the first part of their addresses. */
  readonly services: readonly string[];
  readonly access: RouteAccess;
  readonly interceptors?: readonly Interceptor[];
  readonly routes: (router: ConnectRouter) => void;
  /** Bytes of a request, compressed and decompressed. */
  readonly maxBytes: number;
  readonly logger: Logger;
}

/** https://connectrpc.com/docs/protocol/#error-codes */
const HTTP_CODES: Readonly<Record<number, string>> = {
  401: 'unauthenticated',
  403: 'permission_denied',
  429: 'resource_exhausted',
  503: 'unavailable',
};

/**
 * Serves Connect (JSON and protobuf bodies) beside the REST API. The library answers on the raw response, so what hooks of
 * Fastify put on the reply is copied there.
 */
export async function serveConnect(fastify: FastifyInstance, options: ConnectOptions): Promise<void> {
  const handler = connectNodeAdapter({
    routes: options.routes,
    acceptCompression: COMPRESSIONS,
    readMaxBytes: options.maxBytes,
    contextValues: withCaller,
    interceptors: [connectErrors(options.logger), ...(options.interceptors ?? [])],
    grpc: false,
    grpcWeb: false,
  });
  await fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.setErrorHandler((error, _request, reply) => {
      const { status, message } = refusalOf(error);
      const code = HTTP_CODES[status] ?? 'internal';
      return reply.status(status).send({ code, message });
    });
    for (const service of options.services) {
      scope.all(`/${service}/*`, { config: { access: options.access } }, (request, reply) => {
        for (const [name, value] of Object.entries(reply.getHeaders())) {
          if (value !== undefined) reply.raw.setHeader(name, value);
        }
        reply.raw.setHeader('cache-control', 'no-store');
        reply.hijack();
        handler(request.raw, reply.raw);
      });
    }
  });
}
