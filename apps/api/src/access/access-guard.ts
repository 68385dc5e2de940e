import { authorizationOf, decide, type Scope, type TokenVerifier } from '@perfleet/tokens';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from '../http/api-error.ts';
import { callerOfToken, setCaller, type Caller } from './caller.ts';
import type { CallLimiter } from './call-limiter.ts';
import { limitQuery } from './label-limits.ts';
import type { RouteAccess } from './route-access.ts';

/** How the servers of the API ask who calls. */
export interface Access {
  /** null = nobody is asked who they are. */
  readonly verifier: TokenVerifier | null;
  readonly limiter: CallLimiter;
}

interface GuardOptions extends Access {
  /** Addresses that everybody may have: routes that libraries add, e.g. of the page's files, and what is so by setting. */
  readonly publicRoutes?: readonly string[];
}

export interface GuardedRoute extends RouteAccess {
  readonly method: string;
  readonly url: string;
}

const PUBLIC: RouteAccess = { scope: 'public' };

/**
 * Asks for tokens, scopes and limits before a body is read, the same way for every route that is added from now on.
 * @returns the routes, complete when the server listens
 * @throws Error (when a route is added) for one that does not say who may call it
 */
export function guardRoutes(fastify: FastifyInstance, options: GuardOptions): readonly GuardedRoute[] {
  const { publicRoutes = [] } = options;
  const routes: GuardedRoute[] = [];
  const accessOf = (url: string, config: { access?: RouteAccess } | undefined) =>
    publicRoutes.includes(url) ? PUBLIC : config?.access;

  fastify.addHook('onRoute', ({ method, url, config }) => {
    const access = accessOf(url, config);
    if (!access) throw new Error(`route ${String(method)} ${url} does not say who may call it: give it an access`);
    for (const name of [method].flat()) routes.push({ ...access, method: name, url });
  });
  fastify.addHook('onRequest', async (request, reply) => {
    if (request.is404) return;
    // Without a declaration nobody gets in.
    const access = accessOf(request.routeOptions.url ?? '', request.routeOptions.config) ?? { scope: 'admin' };
    if (access.scope === 'public') return;
    const caller = await admit(options, access.scope, request, reply);
    setCaller(request.raw, caller);
    limitQuery(request.query as Record<string, unknown>, caller, access);
  });
  return routes;
}

/**
 * A token's holder is limited as such, wherever it calls from. What is refused is not counted: behind a proxy everybody has one
 * address, and one who guesses would lock the others out. Guesses cost a look into the store each, and find nothing in 2^256.
 * @throws ApiError 401, 403, 429, 503
 */
async function admit(
  { verifier, limiter }: Access,
  scope: Scope,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Caller> {
  const caller = verifier ? await known(verifier, scope, request, reply) : { name: request.ip, labels: {} };
  // Senders of profiles have limits of their own, also where they come by gRPC.
  if (scope === 'ingest') return caller;
  const release = limiter.begin(caller.name);
  reply.raw.once('close', release);
  return caller;
}

async function known(
  verifier: TokenVerifier,
  scope: Scope,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Caller> {
  const decision = await decide(verifier, authorizationOf(request.headers), scope);
  if (decision.ok) return callerOfToken(decision.token);
  const { status, reason, challenge } = decision;
  if (challenge !== '') void reply.header('www-authenticate', challenge);
  if (status === 503) void reply.header('retry-after', '5');
  throw new ApiError(status, status === 401 ? 'unauthenticated' : status === 403 ? 'forbidden' : 'busy', reason);
}
