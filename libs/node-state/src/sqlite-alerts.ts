import type { DatabaseSync } from 'node:sqlite';
import {
  acknowledgementSchema,
  alertHistorySchema,
  alertRecordSchema,
  HISTORY_LIMIT,
  silenceSchema,
  type AlertStore,
} from './alert-store.ts';
import { parseAll } from './parse-state.ts';

export const ALERT_SCHEMA = `
  CREATE TABLE IF NOT EXISTS alert_lease (
    id INTEGER PRIMARY KEY CHECK (id = 1), owner TEXT NOT NULL, until INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS alerts (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS alert_acknowledgements (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS alert_silences (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS alerts_complete (id INTEGER PRIMARY KEY CHECK (id = 1)) STRICT;
  CREATE TABLE IF NOT EXISTS alert_history (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL) STRICT;
`;

/** @param run executes with the store's own errors; @param atomic the same, in one transaction */
export function sqliteAlerts(
  db: DatabaseSync,
  run: <T>(work: () => T) => T,
  atomic: <T>(work: () => T) => T,
): AlertStore {
  const bodies = (table: string) =>
    run(() => db.prepare(`SELECT body FROM ${table} ORDER BY id`).all() as Array<{ body: string }>).map((r) => r.body);
  const put = (table: string, id: string, body: unknown) =>
    db.prepare(`INSERT OR REPLACE INTO ${table} VALUES (?, ?)`).run(id, JSON.stringify(body));
  const remove = (table: string, id: string) => db.prepare(`DELETE FROM ${table} WHERE id = ?`).run(id);
  const remember = (entries: readonly unknown[]) => {
    if (entries.length === 0) return;
    const insert = db.prepare(`INSERT INTO alert_history (body) VALUES (?)`);
    for (const entry of entries) insert.run(JSON.stringify(entry));
    db.prepare(`DELETE FROM alert_history WHERE id <= (SELECT max(id) FROM alert_history) - ?`).run(HISTORY_LIMIT);
  };
  const add = (table: string, id: string, body: unknown) =>
    db.prepare(`INSERT OR IGNORE INTO ${table} VALUES (?, ?)`).run(id, JSON.stringify(body));
  const newest = (limit: number) => {
    const select = db.prepare(`SELECT body FROM alert_history ORDER BY id DESC LIMIT ?`);
    const rows = select.all(Math.min(limit, HISTORY_LIMIT)) as Array<{ body: string }>;
    return parseAll(
      alertHistorySchema,
      rows.map((row) => row.body),
    );
  };
  const leads = (owner: string) =>
    db.prepare(`SELECT 1 FROM alert_lease WHERE owner = ? AND until > ?`).get(owner, Date.now()) !== undefined;

  return {
    async lead(owner, ttlMs) {
      const now = Date.now();
      const sql = `INSERT INTO alert_lease VALUES (1, ?, ?)
        ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE owner = excluded.owner OR until <= ?`;
      return run(() => db.prepare(sql).run(owner, now + ttlMs, now).changes) === 1;
    },
    async resign(owner) {
      run(() => db.prepare(`DELETE FROM alert_lease WHERE owner = ?`).run(owner));
    },
    async records() {
      return parseAll(alertRecordSchema, bodies('alerts'));
    },
    async commit(owner, changes) {
      return atomic(() => {
        if (!leads(owner)) return false;
        for (const record of changes.put) put('alerts', record.id, record);
        for (const id of changes.remove) {
          remove('alerts', id);
          remove('alert_acknowledgements', id);
        }
        remember(changes.history);
        return true;
      });
    },
    async acknowledgements() {
      return parseAll(acknowledgementSchema, bodies('alert_acknowledgements'));
    },
    async acknowledge(acknowledgement) {
      run(() => put('alert_acknowledgements', acknowledgement.alert, acknowledgement));
    },
    async unacknowledge(alert) {
      run(() => remove('alert_acknowledgements', alert));
    },
    async silences() {
      const all = parseAll(silenceSchema, bodies('alert_silences'));
      const now = Date.now();
      for (const { id } of all.filter((s) => s.until <= now)) run(() => remove('alert_silences', id));
      return all.filter((s) => s.until > now);
    },
    async putSilence(silence) {
      run(() => put('alert_silences', silence.id, silence));
    },
    async removeSilence(id) {
      run(() => remove('alert_silences', id));
    },
    async remember(entry) {
      atomic(() => remember([entry]));
    },
    async snapshot(historyLimit) {
      return atomic(() => ({
        complete: db.prepare(`SELECT 1 FROM alerts_complete`).get() !== undefined,
        records: parseAll(alertRecordSchema, bodies('alerts')),
        acknowledgements: parseAll(acknowledgementSchema, bodies('alert_acknowledgements')),
        silences: parseAll(silenceSchema, bodies('alert_silences')).filter(({ until }) => until > Date.now()),
        history: newest(historyLimit),
      }));
    },
    async restore({ records, acknowledgements, silences, history }) {
      return atomic(() => {
        if (db.prepare(`INSERT OR IGNORE INTO alerts_complete VALUES (1)`).run().changes === 0) return false;
        for (const record of records) add('alerts', record.id, record);
        for (const ack of acknowledgements) add('alert_acknowledgements', ack.alert, ack);
        for (const silence of silences) add('alert_silences', silence.id, silence);
        // What was done meanwhile is newer.
        const meanwhile = newest(HISTORY_LIMIT);
        db.prepare(`DELETE FROM alert_history`).run();
        remember([...meanwhile, ...history].reverse());
        return true;
      });
    },
    async history(limit) {
      return run(() => newest(limit));
    },
  };
}
