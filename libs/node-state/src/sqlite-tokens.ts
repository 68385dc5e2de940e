import type { DatabaseSync } from 'node:sqlite';
import { tokenRecordSchema, type TokenRecord, type TokenStore } from '@perfleet/tokens';

export const TOKEN_SCHEMA = `
  CREATE TABLE IF NOT EXISTS tokens (hash TEXT PRIMARY KEY, body TEXT NOT NULL, expires INTEGER, revoked INTEGER) STRICT;
`;

interface Row {
  body: string;
  expires: number | null;
  revoked: number | null;
}

/** @param run executes with the store's own errors */
export function sqliteTokens(db: DatabaseSync, run: <T>(work: () => T) => T): TokenStore {
  return {
    async insert(record) {
      const { hash, expiresAt, revokedAt } = record;
      run(() =>
        db.prepare(`INSERT INTO tokens VALUES (?, ?, ?, ?)`).run(hash, JSON.stringify(record), expiresAt, revokedAt),
      );
    },
    async find(hash) {
      const row = run(() => db.prepare(`SELECT * FROM tokens WHERE hash = ?`).get(hash)) as Row | undefined;
      return row ? readToken(row.body, row.expires, row.revoked) : null;
    },
    async list() {
      const rows = run(() => db.prepare(`SELECT * FROM tokens`).all()) as unknown as Row[];
      return byAge(rows.map((row) => readToken(row.body, row.expires, row.revoked)));
    },
    async expire(hash, at) {
      const sql = `UPDATE tokens SET expires = min(coalesce(expires, ?1), ?1) WHERE hash = ?2`;
      return run(() => db.prepare(sql).run(at, hash).changes) === 1;
    },
    async revoke(hash, at) {
      const sql = `UPDATE tokens SET revoked = coalesce(revoked, ?) WHERE hash = ?`;
      return run(() => db.prepare(sql).run(at, hash).changes) === 1;
    },
  };
}

/** A record as it was made, with the ends that came later. null when something else wrote it: such a token allows nothing. */
export function readToken(body: string, expiresAt: number | null, revokedAt: number | null): TokenRecord | null {
  try {
    return tokenRecordSchema.parse({ ...JSON.parse(body), expiresAt, revokedAt });
  } catch {
    return null;
  }
}

export function byAge(records: ReadonlyArray<TokenRecord | null>): TokenRecord[] {
  return records.filter((record) => record !== null).sort((a, b) => a.createdAt - b.createdAt);
}
