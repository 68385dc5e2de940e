import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from './api-error.ts';

interface Route {
  readonly method: string;
  readonly url: string;
}

/**
 * For Fastify's `onRequest`: an address that is there, asked with a method that it has not, answers 405 and names those that it has
 * (RFC 9110, 15.5.6), not that it is not there. @param routes may grow until the server listens
 */
export function methodGuard(routes: readonly Route[]) {
  let known: ReadonlyArray<{ readonly method: string; readonly address: RegExp }> | null = null;
  return async (request: FastifyRequest, reply: FastifyReply) => {
    if (!request.is404) return;
    known ??= routes
      // Files of the page: any address could be one.
      .filter(({ url }) => url !== '/*')
      .map(({ method, url }) => ({ method, address: addressOf(url) }));
    const path = request.url.split('?')[0] ?? '';
    const methods = [...new Set(known.filter(({ address }) => address.test(path)).map(({ method }) => method))];
    if (methods.length === 0) return;
    const message = `${path.slice(0, 200)} takes ${methods.join(', ')}, not ${request.method}`;
    return reply
      .status(405)
      .header('allow', methods.join(', '))
      .send(new ApiError(405, 'method', message).toBody());
  };
}

/** `/nodes/:id` and `/service/*` as a pattern of addresses. */
function addressOf(url: string): RegExp {
  const escaped = url.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/:\w+/g, '[^/]+').replace(/\*/g, '.*')}$`);
}
