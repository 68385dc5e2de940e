import { bearerToken, hashToken } from './bearer.ts';
import { allows, type Scope } from './scopes.ts';
import { tokenId, tokenStatus, type TokenRecord, type TokenStore } from './token.ts';

export type Verdict =
  | { readonly ok: true; readonly token: TokenRecord }
  /** 401: nobody that is known. 403: known, and not allowed. `reason` is for the caller's eyes, and holds no secret. */
  | { readonly ok: false; readonly status: 401 | 403; readonly reason: string };

export interface Wanted {
  readonly scope: Scope;
  /** The node on whose behalf something is done; only that node's own token allows it. */
  readonly node?: string;
}

/** Whoever knows the tokens does not answer; the message is for the caller's eyes. */
export class TokensUnavailableError extends Error {
  override readonly name = 'TokensUnavailableError';
}

export interface TokenVerifier {
  /**
   * @param authorization the header as it came
   * Rejects with the store's error while the store is away and the token is not known from a moment ago: answer 503, never "no".
   */
  verify(authorization: string | undefined, wanted: Wanted): Promise<Verdict>;
}

export interface VerifierOptions {
  readonly store: Pick<TokenStore, 'find'>;
  /** For so long a valid token is taken without asking the store again; also how late a revocation may come. */
  readonly cacheMs?: number;
  readonly now?: () => number;
}

const MAX_CACHED = 10_000;

/**
 * Says who sends a request and whether they may. Only tokens that exist are remembered: guesses cannot fill the memory.
 *
 *     const verdict = await verifier.verify(request.headers.authorization, { scope: 'read' });
 *     if (!verdict.ok) return reply.code(verdict.status).send({ error: verdict.reason });
 */
export function createTokenVerifier({ store, cacheMs = 5000, now = Date.now }: VerifierOptions): TokenVerifier {
  const known = new Map<string, { readonly record: TokenRecord; readonly until: number }>();

  async function find(hash: string): Promise<TokenRecord | null> {
    const cached = known.get(hash);
    if (cached && cached.until > now()) return cached.record;
    known.delete(hash);
    const record = await store.find(hash);
    if (record === null || cacheMs <= 0) return record;
    const oldest = known.keys().next();
    if (known.size >= MAX_CACHED && !oldest.done) known.delete(oldest.value);
    known.set(hash, { record, until: now() + cacheMs });
    return record;
  }

  return {
    async verify(authorization, wanted) {
      if (authorization === undefined || authorization === '')
        return refuse(401, 'this needs a token: Authorization: Bearer pfl_…');
      const token = bearerToken(authorization);
      if (token === null) return refuse(401, 'the Authorization header holds no token of Perfleet: Bearer pfl_…');
      const record = await find(hashToken(token));
      if (record === null) return refuse(401, 'unknown token');
      const status = tokenStatus(record, now());
      if (status !== 'valid') return refuse(401, `token ${tokenId(record)} is ${status}`);
      return judgeToken(record, wanted);
    },
  };
}

/** Whether what a token allows is what is wanted. */
export function judgeToken(record: TokenRecord, { scope, node }: Wanted): Verdict {
  if (!allows(record.scopes, scope))
    return refuse(403, `token ${tokenId(record)} has no scope ${scope}, only ${record.scopes.join(', ')}`);
  if (node !== undefined && record.node !== node)
    return refuse(403, `token ${tokenId(record)} speaks for node ${record.node || '(none)'}, not for ${node}`);
  return { ok: true, token: record };
}

function refuse(status: 401 | 403, reason: string): Verdict {
  return { ok: false, status, reason };
}
