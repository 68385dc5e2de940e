import { DatabaseSync } from 'node:sqlite';

/*
 * `epochs` holds an epoch's counts through its last message that left the spool, sent or dropped. The header of the
 * oldest message is that plus its own share, so messages that are behind a dropped one count it, and the header of a
 * message sent twice is the same twice.
 */
const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA wal_autocheckpoint = 128;
  CREATE TABLE IF NOT EXISTS epochs (
    epoch TEXT PRIMARY KEY, start INTEGER NOT NULL, next_seq INTEGER NOT NULL,
    taken INTEGER NOT NULL, stored INTEGER NOT NULL, lost TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER,
    samples INTEGER NOT NULL, lost TEXT NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL
  ) STRICT;
`;

/** Columns that spools of earlier versions lack; 0 = not known. */
const ADDED = ['at INTEGER NOT NULL DEFAULT 0', 'crc INTEGER NOT NULL DEFAULT 0'];

/** Result codes of SQLite, https://sqlite.org/rescode.html. */
const SQLITE_FULL = 13;
const DAMAGED: readonly number[] = [11 /* SQLITE_CORRUPT */, 26 /* SQLITE_NOTADB */];

/** The primary code; 0 when the error is not the database's. */
function resultCode(error: unknown): number {
  return Number((error as { errcode?: number } | null)?.errcode ?? 0) & 0xff;
}

class DamagedError extends Error {}

/** Whether the file is no spool, or no more. */
export function isDamaged(error: unknown): boolean {
  return error instanceof DamagedError || DAMAGED.includes(resultCode(error));
}

/** Whether the disk is. */
export const isFull = (error: unknown): boolean => resultCode(error) === SQLITE_FULL;

/**
 * The file of a spool, made or brought up to date.
 * @throws DamagedError or an error of SQLite, see `isDamaged`
 */
export function openSpoolFile(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    db.exec(SCHEMA);
    const check = db.prepare(`PRAGMA quick_check`).get() as { quick_check: string };
    if (check.quick_check !== 'ok') throw new DamagedError(check.quick_check);
    const columns = db.prepare(`SELECT name FROM pragma_table_info('messages')`).all() as Array<{ name: string }>;
    const has = new Set(columns.map(({ name }) => name));
    for (const column of ADDED)
      if (!has.has(column.split(' ')[0]!)) db.exec(`ALTER TABLE messages ADD COLUMN ${column}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
