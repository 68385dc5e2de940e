import type { Logger } from '@perfleet/observability';
import { profilesFromJson } from '@perfleet/otlp';
import { WireWriter } from '@perfleet/otlp/wire';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError } from '../http/api-error.ts';
import { access } from '../access/route-access.ts';
import { expandedBody, refusalOf, retryAfter, senderOf, takeBytes } from './body.ts';
import type { IngestService } from './ingest-service.ts';

export const OTLP_PATH = '/v1development/profiles';
const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';

/** gRPC's numbers, which the error body carries. */
const GRPC_CODES: Readonly<Record<number, number>> = { 400: 3, 401: 16, 403: 7, 413: 8, 415: 3, 429: 14, 503: 14 };

/**
 * OTLP over HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp), binary and JSON. An error's body is a
 * `google.rpc.Status` in the request's own form; 429 and 503 ask the sender to try again.
 */
export async function serveOtlpHttp(fastify: FastifyInstance, ingest: IngestService, logger: Logger): Promise<void> {
  await fastify.register(async (scope) => {
    takeBytes(scope);
    scope.post(OTLP_PATH, access('ingest'), async (request, reply) => {
      const type = mediaType(request);
      if (type !== PROTOBUF && type !== JSON_TYPE)
        throw new ApiError(
          415,
          'media-type',
          `content type ${type || '(none)'} is not supported: use ${PROTOBUF} or ${JSON_TYPE}`,
        );
      const sender = senderOf(request);
      const body = await expandedBody(request);
      await ingest.otlp(sender, () => (type === JSON_TYPE ? profilesFromJson(body.toString('utf8')) : body));
      return reply.header('content-type', type).send(type === JSON_TYPE ? '{}' : Buffer.alloc(0));
    });
    scope.setErrorHandler((error, request, reply) => {
      const { status, message, expected } = refusalOf(error);
      if (!expected) logger.error({ path: OTLP_PATH, error: (error as Error).stack }, 'bug');
      const code = GRPC_CODES[status] ?? (status < 500 ? 3 : 13);
      const isJson = mediaType(request) === JSON_TYPE;
      const body = isJson
        ? JSON.stringify({ code, message })
        : Buffer.from(new WireWriter(256).integer(1, code).text(2, message).bytes());
      return retryAfter(reply.status(status), status)
        .header('content-type', isJson ? JSON_TYPE : PROTOBUF)
        .send(body);
    });
  });
}

function mediaType(request: FastifyRequest): string {
  return (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
}
