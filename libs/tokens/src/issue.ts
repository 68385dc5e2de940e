import { randomBytes } from 'node:crypto';
import { hashToken, TOKEN_PREFIX } from './bearer.ts';
import { checkLabels, type LabelLimits } from './labels.ts';
import { TokenRequestError, type Scope } from './scopes.ts';
import { tokenId, tokenStatus, type TokenRecord, type TokenStore } from './token.ts';

export interface TokenRequest {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Needed by the scope `node`, refused with any other. */
  readonly node?: string;
  /** Left out = it may read everything. */
  readonly labels?: LabelLimits;
  /** How long it is valid, milliseconds; left out = until it is revoked. */
  readonly validMs?: number;
}

export interface IssuedToken {
  /** Shown once: it cannot be had again. */
  readonly token: string;
  readonly record: TokenRecord;
}

/** @throws TokenRequestError when scopes and node do not go together */
export async function issueToken(store: TokenStore, request: TokenRequest, now = Date.now()): Promise<IssuedToken> {
  const { name, scopes, node = '', labels = {}, validMs } = request;
  if (scopes.length === 0) throw new TokenRequestError('a token needs at least one scope');
  const forNode = scopes.includes('node');
  if (forNode && node === '') throw new TokenRequestError('the scope node needs the name of the node');
  if (forNode && scopes.length > 1)
    throw new TokenRequestError('a node token has no other scope: make a second token for the other ones');
  if (!forNode && node !== '') throw new TokenRequestError('only the scope node is bound to a node');
  checkLabels(labels, scopes);
  if (name.length > 253 || node.length > 253) throw new TokenRequestError('names have at most 253 characters');
  const token = TOKEN_PREFIX + randomBytes(32).toString('base64url');
  const record: TokenRecord = {
    hash: hashToken(token),
    name: name || node,
    scopes: [...scopes],
    node,
    labels,
    createdAt: now,
    expiresAt: validMs === undefined ? null : now + validMs,
    revokedAt: null,
  };
  await store.insert(record);
  return { token, record };
}

/** @param id the begin of a token's id, as long as it names one token. @throws TokenRequestError */
export async function findToken(store: TokenStore, id: string): Promise<TokenRecord> {
  const found = id.length < 4 ? [] : (await store.list()).filter((record) => record.hash.startsWith(id.toLowerCase()));
  const [record] = found;
  if (record === undefined) throw new TokenRequestError(`no token ${id}: \`perfleet token list\` shows their ids`);
  if (found.length > 1) throw new TokenRequestError(`${id} is the begin of ${found.length} ids: give more of it`);
  return record;
}

/** The token is refused from now on. @throws TokenRequestError */
export async function revokeToken(store: TokenStore, id: string, now = Date.now()): Promise<TokenRecord> {
  const record = await findToken(store, id);
  await store.revoke(record.hash, now);
  return { ...record, revokedAt: record.revokedAt ?? now };
}

/**
 * A new token with the same name, scopes, node, labels and length of life; the old one is valid for `graceMs` more, so that its holder
 * can be given the new one without a gap.
 * @throws TokenRequestError when the old one is not valid any more
 */
export async function rotateToken(
  store: TokenStore,
  id: string,
  graceMs: number,
  now = Date.now(),
): Promise<IssuedToken & { readonly old: TokenRecord }> {
  const old = await findToken(store, id);
  const status = tokenStatus(old, now);
  if (status !== 'valid') throw new TokenRequestError(`token ${tokenId(old)} is ${status}: create a new one`);
  const { name, scopes, node, labels, createdAt, expiresAt } = old;
  const validMs = expiresAt === null ? undefined : expiresAt - createdAt;
  const issued = await issueToken(store, { name, scopes, node, labels, validMs }, now);
  const until = now + graceMs;
  await store.expire(old.hash, until);
  return { ...issued, old: { ...old, expiresAt: expiresAt === null ? until : Math.min(expiresAt, until) } };
}
