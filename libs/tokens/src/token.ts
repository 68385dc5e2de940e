import { z } from 'zod';
import { SCOPES } from './scopes.ts';

/** What is kept of a token: never the token. Times are Unix milliseconds. */
export const tokenRecordSchema = z.object({
  /** SHA-256 of the token's text, hex. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  /** Who or what holds it. */
  name: z.string().max(253),
  scopes: z.array(z.enum(SCOPES)).min(1),
  /** The only node that it speaks for; "" unless its scope is `node`. */
  node: z.string().max(253),
  /** What it may read: each label must have one of its values. {} = everything. Only with the scope `read` alone. */
  labels: z.record(z.string(), z.array(z.string()).min(1).readonly()).default({}),
  createdAt: z.number(),
  /** null = does not end by itself. A rotated token ends when its grace is over. */
  expiresAt: z.number().nullable(),
  /** null = not revoked. */
  revokedAt: z.number().nullable(),
});
export type TokenRecord = z.infer<typeof tokenRecordSchema>;

/** What a token is called in lists, logs and commands: the begin of its hash, which tells nothing of the token. */
export function tokenId(record: Pick<TokenRecord, 'hash'>): string {
  return record.hash.slice(0, 12);
}

export type TokenStatus = 'valid' | 'expired' | 'revoked';

export function tokenStatus(record: TokenRecord, now: number): TokenStatus {
  if (record.revokedAt !== null) return 'revoked';
  return record.expiresAt !== null && record.expiresAt <= now ? 'expired' : 'valid';
}

/**
 * Where tokens are kept. Ends only ever come nearer, so that two operators at once cannot bring a token back.
 * Calls reject with the store's own error while it is away.
 */
export interface TokenStore {
  insert(record: TokenRecord): Promise<void>;
  find(hash: string): Promise<TokenRecord | null>;
  /** Oldest first. */
  list(): Promise<TokenRecord[]>;
  /** The token ends at `at`, unless it ends earlier anyway. @returns false when there is no such token */
  expire(hash: string, at: number): Promise<boolean>;
  /** The token ends now, and this is the reason. The first revocation counts. @returns false when there is no such token */
  revoke(hash: string, at: number): Promise<boolean>;
}
