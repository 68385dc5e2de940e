import type { DatabaseSync } from 'node:sqlite';
import { CONFIG_HISTORY_LIMIT, noteOf, type ConfigDocument, type ConfigStore } from './config-store.ts';
import { ConfigConflictError, ConfigUnreadableError } from './errors.ts';

/** The newest row is in force. */
export const CONFIG_SCHEMA = `
  CREATE TABLE IF NOT EXISTS config_changes (
    version INTEGER PRIMARY KEY, changed_at INTEGER NOT NULL, author TEXT NOT NULL, comment TEXT NOT NULL, document TEXT NOT NULL
  ) STRICT;
`;

interface Row {
  version: number;
  changedAt: number;
  by: string;
  comment: string;
  document: string;
}

const SELECT = `SELECT version, changed_at AS changedAt, author AS by, comment, document FROM config_changes ORDER BY version DESC LIMIT ?`;

/** @param run executes with the store's own errors; @param atomic the same, in one transaction */
export function sqliteConfig(
  db: DatabaseSync,
  run: <T>(work: () => T) => T,
  atomic: <T>(work: () => T) => T,
): ConfigStore {
  const rows = (limit: number) => run(() => db.prepare(SELECT).all(limit)) as unknown as Row[];
  const newest = () => {
    const row = run(() =>
      db.prepare(`SELECT version, changed_at AS changedAt FROM config_changes ORDER BY version DESC LIMIT 1`).get(),
    );
    return (row ?? null) as { version: number; changedAt: number } | null;
  };
  return {
    async get() {
      const [row] = rows(1);
      if (!row) return null;
      const found = documentOf(row);
      if (!found) throw new ConfigUnreadableError('table config_changes of the node state file');
      return found;
    },
    async revision() {
      return newest();
    },
    async set(document, expectedVersion, note) {
      const { by, comment } = noteOf(note);
      return atomic(() => {
        const version = newest()?.version ?? 0;
        if (expectedVersion !== undefined && expectedVersion !== version)
          throw new ConfigConflictError(expectedVersion, version);
        const values = [version + 1, Date.now(), by, comment, JSON.stringify(document)];
        db.prepare(`INSERT INTO config_changes VALUES (?, ?, ?, ?, ?)`).run(...values);
        db.prepare(`DELETE FROM config_changes WHERE version <= ?`).run(version + 1 - CONFIG_HISTORY_LIMIT);
        return version + 1;
      });
    },
    async history(limit) {
      return rows(Math.min(limit, CONFIG_HISTORY_LIMIT))
        .map(documentOf)
        .filter((entry) => entry !== null);
    },
  };
}

function documentOf({ version, changedAt, by, comment, document }: Row): ConfigDocument | null {
  try {
    return { version, changedAt, by, comment, document: JSON.parse(document) as unknown };
  } catch {
    return null;
  }
}
