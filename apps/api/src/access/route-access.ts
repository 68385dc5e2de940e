import { RouteConfig } from '@nestjs/platform-fastify';
import type { Scope } from '@perfleet/tokens';

/** Who may call a route. Every route has one: a server with a route that has none does not start. */
export interface RouteAccess {
  /** `public`: nobody is asked, and nothing that was profiled is told. */
  readonly scope: Scope | 'public';
  /**
   * How a token whose reading is limited by labels is kept within them: the query parameters that are selectors, of which `query`
   * is always there; or `none` where the answer tells nothing of what it may not see. Left out: such tokens are refused.
   */
  readonly limit?: readonly string[] | 'none' | 'messages';
}

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess;
  }
}

/** Of a controller's method. */
export const Access = (scope: RouteAccess['scope'], limit?: RouteAccess['limit']) =>
  RouteConfig({ access: accessOf(scope, limit) });

/** Of a route that Fastify has without Nest. */
export const access = (scope: RouteAccess['scope'], limit?: RouteAccess['limit']) => ({
  config: { access: accessOf(scope, limit) },
});

function accessOf(scope: RouteAccess['scope'], limit: RouteAccess['limit']): RouteAccess {
  return limit === undefined ? { scope } : { scope, limit };
}
