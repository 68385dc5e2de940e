import { TokensUnavailableError } from '@perfleet/tokens';
import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';

const TIMEOUT_MS = 5000;
/** After a provider did not answer it is left alone for so long: callers must not wait for it one by one. */
const REST_MS = 5000;

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.url() });

export interface KeyOptions {
  readonly issuer: string;
  /** For so long no key that is unknown makes the keys be read again. */
  readonly cooldownMs: number;
  /** Keys are read again after so long. */
  readonly cacheMs: number;
  readonly now: () => number;
}

/**
 * The keys of a provider, found by discovery (https://openid.net/specs/openid-connect-discovery-1_0.html), cached, and read again when
 * a token names one that is not among them: providers rotate their keys.
 */
export function providerKeys({ issuer, cooldownMs, cacheMs, now }: KeyOptions): JWTVerifyGetKey {
  let keys: Promise<JWTVerifyGetKey> | null = null;
  let restUntil = 0;
  let reason = '';

  const unavailable = (cause: unknown) => {
    reason = `tokens cannot be checked now: the provider ${issuer} does not answer as it should (${reasonOf(cause)}); check PERFLEET_OIDC_ISSUER, or try again`;
    restUntil = now() + REST_MS;
    return new TokensUnavailableError(reason, { cause });
  };

  return async (header, token) => {
    if (restUntil > now()) throw new TokensUnavailableError(reason);
    try {
      keys ??= discover(issuer).then((url) =>
        createRemoteJWKSet(url, { timeoutDuration: TIMEOUT_MS, cooldownDuration: cooldownMs, cacheMaxAge: cacheMs }),
      );
      return await (
        await keys
      )(header, token);
    } catch (cause) {
      // That no key fits is the token's fault; all else is the provider's.
      if (isAboutToken(cause)) throw cause;
      keys = null;
      throw unavailable(cause);
    }
  };
}

async function discover(issuer: string): Promise<URL> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  const document = discoverySchema.parse(await response.json());
  if (document.issuer !== issuer) throw new Error(`it calls itself ${document.issuer}`);
  const keys = new URL(document.jwks_uri);
  // Keys from a plain connection could be anybody's.
  if (new URL(issuer).protocol === 'https:' && keys.protocol !== 'https:')
    throw new Error(`its keys are at ${keys.href}, which is not https`);
  return keys;
}

function isAboutToken(cause: unknown): boolean {
  const code = (cause as { code?: unknown } | null)?.code;
  return (
    typeof code === 'string' &&
    ['ERR_JWKS_NO_MATCHING_KEY', 'ERR_JWKS_MULTIPLE_MATCHING_KEYS', 'ERR_JOSE_NOT_SUPPORTED'].includes(code)
  );
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const inner = cause.cause instanceof Error ? cause.cause.message : '';
  return (inner ? `${cause.message}: ${inner}` : cause.message).split('\n').join(' ').slice(0, 300);
}
