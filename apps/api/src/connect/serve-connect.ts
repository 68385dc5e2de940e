import type { ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { Logger } from '@perfleet/observability';
import type { FastifyInstance } from 'fastify';
import { connectErrors } from './connect-error.ts';
import { withRemoteAddress } from './remote-address.ts';
import { COMPRESSIONS } from './zstd.ts';

export interface ConnectOptions {
  /** Full names of the services, e.g. `querier.v1.QuerierService`: the first part of their addresses. */
  readonly services: readonly string[];
  readonly routes: (router: ConnectRouter) => void;
  /** Bytes of a request, compressed and decompressed. */
  readonly maxBytes: number;
  readonly logger: Logger;
}

/**
 * Serves Connect (JSON and protobuf bodies) beside the REST API. The library answers on the raw response, so what hooks of
 * Fastify put on the reply is copied there.
 */
export async function serveConnect(fastify: FastifyInstance, options: ConnectOptions): Promise<void> {
  const handler = connectNodeAdapter({
    routes: options.routes,
    acceptCompression: COMPRESSIONS,
    readMaxBytes: options.maxBytes,
    contextValues: withRemoteAddress,
    interceptors: [connectErrors(options.logger)],
    grpc: false,
    grpcWeb: false,
  });
  await fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    for (const service of options.services) {
      scope.all(`/${service}/*`, (request, reply) => {
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
