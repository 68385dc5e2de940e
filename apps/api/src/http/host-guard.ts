import { refusedRequest, type Origins } from '@perfleet/http-guard';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from './api-error.ts';

/** For Fastify's `onRequest`: before a body is read, and the same for every route. */
export function hostGuard(origins: Origins) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const why = refusedRequest(request.headers, origins);
    if (why !== null) return reply.status(403).send(new ApiError(403, 'forbidden', why).toBody());
  };
}
