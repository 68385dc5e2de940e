import { TokensUnavailableError } from '@perfleet/tokens';
import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose';
import { discover, reasonOf } from './discovery.ts';

const TIMEOUT_MS = 5000;
/** After a provider did not answer it is left alone for so long: callers must not wait for it one by one. */
const REST_MS = 5000;

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
      keys ??= discover(issuer).then(({ jwks_uri }) =>
        createRemoteJWKSet(new URL(jwks_uri), {
          timeoutDuration: TIMEOUT_MS,
          cooldownDuration: cooldownMs,
          cacheMaxAge: cacheMs,
        }),
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

function isAboutToken(cause: unknown): boolean {
  const code = (cause as { code?: unknown } | null)?.code;
  return (
    typeof code === 'string' &&
    ['ERR_JWKS_NO_MATCHING_KEY', 'ERR_JWKS_MULTIPLE_MATCHING_KEYS', 'ERR_JOSE_NOT_SUPPORTED'].includes(code)
  );
}
