import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { NodeState } from '@perfleet/messages';
import { ConfigConflictError, NodeStateUnavailableError } from './errors.ts';
import { parseState } from './parse-state.ts';
import type { ConfigDocument, NodeEntry, NodeStateStore } from './store.ts';

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 2000;
  CREATE TABLE IF NOT EXISTS nodes (
    node TEXT PRIMARY KEY, state TEXT NOT NULL, seen INTEGER NOT NULL, alive_until INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS config (
    id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, document TEXT NOT NULL
  ) STRICT;
`;

interface Row {
  state: string;
  seen: number;
  alive_until: number;
}

/**
 * Node state of one machine, in a file that several local processes may open.
 * @throws NodeStateUnavailableError when the file cannot be opened
 */
export function openSqliteNodeState(options: { path: string }): NodeStateStore {
  try {
    mkdirSync(dirname(options.path), { recursive: true });
    const db = new DatabaseSync(options.path);
    db.exec(SCHEMA);
    return new SqliteNodeState(db);
  } catch (cause) {
    throw unavailable(`node state ${options.path} cannot be opened`, cause);
  }
}

class SqliteNodeState implements NodeStateStore {
  constructor(private readonly db: DatabaseSync) {}

  async put(state: NodeState): Promise<void> {
    const sql = `INSERT INTO nodes VALUES (?, ?, ?, 0) ON CONFLICT (node) DO UPDATE SET state = excluded.state, seen = max(seen, excluded.seen)`;
    this.guard(() => this.db.prepare(sql).run(state.node, JSON.stringify(state), state.updatedAt));
  }

  async heartbeat(node: string, ttlMs: number): Promise<void> {
    const now = Date.now();
    const sql = `UPDATE nodes SET seen = ?, alive_until = ? WHERE node = ?`;
    this.guard(() => this.db.prepare(sql).run(now, now + ttlMs, node));
  }

  async list(): Promise<NodeEntry[]> {
    const rows = this.guard(() => this.db.prepare(`SELECT state, seen, alive_until FROM nodes ORDER BY node`).all());
    return (rows as unknown as Row[]).map(toEntry).filter((entry) => entry !== null);
  }

  async get(node: string): Promise<NodeEntry | null> {
    const sql = `SELECT state, seen, alive_until FROM nodes WHERE node = ?`;
    const row = this.guard(() => this.db.prepare(sql).get(node)) as Row | undefined;
    return row ? toEntry(row) : null;
  }

  async deregister(node: string): Promise<void> {
    this.guard(() => this.db.prepare(`DELETE FROM nodes WHERE node = ?`).run(node));
  }

  async getConfig(): Promise<ConfigDocument | null> {
    const row = this.guard(() => this.db.prepare(`SELECT version, document FROM config`).get()) as
      { version: number; document: string } | undefined;
    return row ? { version: row.version, document: JSON.parse(row.document) } : null;
  }

  async setConfig(document: unknown, expectedVersion?: number): Promise<number> {
    const text = JSON.stringify(document);
    return this.guard(() => {
      this.db.exec('BEGIN IMMEDIATE');
      try {
        const row = this.db.prepare(`SELECT version FROM config`).get() as { version: number } | undefined;
        const version = row?.version ?? 0;
        if (expectedVersion !== undefined && expectedVersion !== version) {
          throw new ConfigConflictError(expectedVersion, version);
        }
        this.db.prepare(`INSERT OR REPLACE INTO config VALUES (1, ?, ?)`).run(version + 1, text);
        this.db.exec('COMMIT');
        return version + 1;
      } catch (error) {
        this.db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    if (this.db.isOpen) this.db.close();
  }

  private guard<T>(run: () => T): T {
    try {
      return run();
    } catch (cause) {
      if (cause instanceof ConfigConflictError) throw cause;
      throw unavailable('node state file', cause);
    }
  }
}

function toEntry(row: Row): NodeEntry | null {
  const state = parseState(row.state);
  return state && { state, alive: row.alive_until > Date.now(), lastSeen: row.seen };
}

function unavailable(what: string, cause: unknown): NodeStateUnavailableError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new NodeStateUnavailableError(`${what}: ${message}`, { cause });
}
