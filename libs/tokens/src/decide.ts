import type { Scope } from './scopes.ts';
import type { TokenRecord } from './token.ts';
import { TokensUnavailableError, type TokenVerifier } from './verify.ts';

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

export type Decision =
  | { readonly ok: true; readonly token: TokenRecord }
  | {
      readonly ok: false;
      /** 503: the tokens cannot be looked up now, which is no refusal. */
      readonly status: 401 | 403 | 503;
      /** For the caller's eyes. */
      readonly reason: string;
      /** Value of `WWW-Authenticate`; "" with 503. */
      readonly challenge: string;
    };

/**
 * The credentials of a request as an `Authorization` header with a bearer token. Other tools' clients carry a token as the password
 * of Basic authentication (Grafana, Pyroscope's SDKs) or as ClickHouse's key.
 * @param password of the address, where a protocol has one there
 */
export function authorizationOf(headers: Headers, password?: string | null): string | undefined {
  const one = (name: string) => {
    const value = headers[name];
    return typeof value === 'string' ? value : value?.[0];
  };
  const authorization = one('authorization');
  const basic = /^Basic +([A-Za-z0-9+/=_-]+) *$/i.exec(authorization ?? '')?.[1];
  if (basic !== undefined) {
    const text = Buffer.from(basic, 'base64').toString('utf8');
    return `Bearer ${text.slice(text.indexOf(':') + 1)}`;
  }
  if (authorization) return authorization;
  const key = one('x-clickhouse-key') ?? password;
  return key ? `Bearer ${key}` : undefined;
}

/** Who sends a request, and whether they may; never rejects. The challenges are those of RFC 6750, section 3. */
export async function decide(
  verifier: TokenVerifier,
  authorization: string | undefined,
  scope: Scope,
): Promise<Decision> {
  let verdict;
  try {
    verdict = await verifier.verify(authorization, { scope });
  } catch (cause) {
    const reason =
      cause instanceof TokensUnavailableError
        ? cause.message
        : 'tokens cannot be checked now: the store of tokens does not answer; try again';
    return { ok: false, status: 503, reason, challenge: '' };
  }
  if (verdict.ok) return verdict;
  const { status, reason } = verdict;
  const quoted = `error_description="${reason.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, "'")}"`;
  const error =
    status === 403
      ? `, error="insufficient_scope", ${quoted}, scope="${scope}"`
      : authorization
        ? `, error="invalid_token", ${quoted}`
        : '';
  return { ok: false, status, reason, challenge: `Bearer realm="perfleet"${error}` };
}
