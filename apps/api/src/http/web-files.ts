import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';

/** Scripts from this origin only; styles may be inline because the flame graph places its parts with them. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
];

/** @param reachable addresses besides this origin that the page may send requests to */
export function securityHeaders(reachable: readonly string[] = []): Readonly<Record<string, string>> {
  const connect = reachable.map(cspSource);
  const policy = [
    ...CONTENT_SECURITY_POLICY,
    ...(connect.length > 0 ? [`connect-src 'self' ${connect.join(' ')}`] : []),
  ];
  return {
    'content-security-policy': policy.join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  };
}

/** An address as a source of a policy: no query, and nothing that would end the source or the directive. */
function cspSource(address: string): string {
  const { origin, pathname } = new URL(address);
  return origin + pathname.replace(/[;,]/g, encodeURIComponent);
}

export function hasWebFiles(webRoot: string | undefined): webRoot is string {
  return webRoot !== undefined && existsSync(join(webRoot, 'index.html'));
}

/** A browser's navigation, as opposed to a call of the API or a missing file. */
export function wantsPage(request: Pick<FastifyRequest, 'method' | 'url' | 'headers'>): boolean {
  const path = request.url.split('?')[0] ?? '';
  if (request.method !== 'GET' || /^\/(api|pyroscope|metrics|livez|readyz|assets)(\/|$)/.test(path)) return false;
  return (request.headers.accept ?? '').includes('text/html') || !/\.[a-z0-9]+$/i.test(path);
}

/** Files under `assets/` have their content's hash in the name and never change; everything else is asked for again. */
export async function serveWebFiles(app: NestFastifyApplication, webRoot: string): Promise<void> {
  await app.register(fastifyStatic, {
    root: webRoot,
    cacheControl: false,
    setHeaders: (reply, path) => {
      const immutable = path.startsWith(join(webRoot, 'assets'));
      void reply.header('cache-control', immutable ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
}
