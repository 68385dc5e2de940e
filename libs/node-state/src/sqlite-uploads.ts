import type { DatabaseSync } from 'node:sqlite';
import { DAY_MS, MAX_CONTENTS, REFUSAL_MS, uploadLeaseSchema, type UploadLeaseStore } from '@perfleet/uploads';
import { parseStored } from './parse-state.ts';

export const UPLOAD_SCHEMA = `
  CREATE TABLE IF NOT EXISTS upload_leases (
    id TEXT PRIMARY KEY, gnu TEXT NOT NULL, content TEXT NOT NULL, node TEXT NOT NULL, body TEXT NOT NULL, until INTEGER NOT NULL,
    UNIQUE (gnu, content)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS upload_bytes (
    day INTEGER NOT NULL, node TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (day, node)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS upload_contents (gnu TEXT NOT NULL, content TEXT NOT NULL, UNIQUE (gnu, content)) STRICT;
  CREATE TABLE IF NOT EXISTS upload_refusals (gnu TEXT PRIMARY KEY, reason TEXT NOT NULL, until INTEGER NOT NULL) STRICT;
`;

/** @param run executes with the store's own errors; @param atomic the same, in one transaction */
export function sqliteUploads(
  db: DatabaseSync,
  run: <T>(work: () => T) => T,
  atomic: <T>(work: () => T) => T,
): UploadLeaseStore {
  const contents = (gnu: string) =>
    (
      db.prepare(`SELECT content FROM upload_contents WHERE gnu = ? ORDER BY rowid`).all(gnu) as Array<{
        content: string;
      }>
    ).map((row) => row.content);
  return {
    async acquire(lease, { ttlMs, leasesPerNode, bytesPerNodeAndDay }) {
      const { id, gnu, content, node, size } = lease;
      return atomic(() => {
        const now = Date.now();
        const until = now + Math.round(ttlMs);
        const day = Math.floor(now / DAY_MS);
        db.prepare(`DELETE FROM upload_leases WHERE until <= ?`).run(now);
        const held = db
          .prepare(`SELECT id, until FROM upload_leases WHERE gnu = ? AND content = ?`)
          .get(gnu, content) as { id: string; until: number } | undefined;
        if (held && held.id !== id) return { result: 'held', forMs: held.until - now };
        if (held) {
          db.prepare(`UPDATE upload_leases SET until = ? WHERE id = ?`).run(until, id);
          return { result: 'granted' };
        }
        const { count } = db.prepare(`SELECT count(*) AS count FROM upload_leases WHERE node = ?`).get(node) as {
          count: number;
        };
        if (count >= leasesPerNode) return { result: 'too-many-leases' };
        const spent = db.prepare(`SELECT bytes FROM upload_bytes WHERE day = ? AND node = ?`).get(day, node) as
          { bytes: number } | undefined;
        if ((spent?.bytes ?? 0) + size > bytesPerNodeAndDay) return { result: 'over-quota' };
        db.prepare(`DELETE FROM upload_bytes WHERE day < ?`).run(day - 1);
        db.prepare(
          `INSERT INTO upload_bytes VALUES (?, ?, ?) ON CONFLICT (day, node) DO UPDATE SET bytes = bytes + excluded.bytes`,
        ).run(day, node, size);
        db.prepare(`INSERT INTO upload_leases VALUES (?, ?, ?, ?, ?, ?)`).run(
          ...[id, gnu, content, node, JSON.stringify(lease)],
          until,
        );
        return { result: 'granted' };
      });
    },
    async renew(id, ttlMs) {
      const now = Date.now();
      const sql = `UPDATE upload_leases SET until = ? WHERE id = ? AND until > ? RETURNING body`;
      const row = run(() => db.prepare(sql).get(now + Math.round(ttlMs), id, now)) as { body: string } | undefined;
      return row ? parseStored(uploadLeaseSchema, row.body) : null;
    },
    async release({ id }) {
      run(() => db.prepare(`DELETE FROM upload_leases WHERE id = ?`).run(id));
    },
    async addContent(gnu, content) {
      return atomic(() => {
        const before = contents(gnu);
        if (before.includes(content) || before.length >= MAX_CONTENTS) return before;
        db.prepare(`INSERT INTO upload_contents VALUES (?, ?)`).run(gnu, content);
        return [...before, content];
      });
    },
    async contents(gnu) {
      return run(() => contents(gnu));
    },
    async refuse(gnu, reason) {
      atomic(() => {
        const now = Date.now();
        db.prepare(`DELETE FROM upload_refusals WHERE until <= ?`).run(now);
        db.prepare(`INSERT OR REPLACE INTO upload_refusals VALUES (?, ?, ?)`).run(gnu, reason, now + REFUSAL_MS);
      });
    },
    async refusal(gnu) {
      const sql = `SELECT reason FROM upload_refusals WHERE gnu = ? AND until > ?`;
      const row = run(() => db.prepare(sql).get(gnu, Date.now())) as { reason: string } | undefined;
      return row?.reason ?? null;
    },
  };
}
