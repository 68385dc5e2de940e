import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { NodeState } from '@perfleet/messages';
import type { TokenStore } from '@perfleet/tokens';
import type { UploadLeaseStore } from '@perfleet/uploads';
import type { AlertStore } from './alert-store.ts';
import type { ConfigStore } from './config-store.ts';
import { ConfigConflictError, ConfigUnreadableError, NodeStateUnavailableError } from './errors.ts';
import { parseState } from './parse-state.ts';
import { ALERT_SCHEMA, sqliteAlerts } from './sqlite-alerts.ts';
import { CONFIG_SCHEMA, sqliteConfig } from './sqlite-config.ts';
import { sqliteTokens, TOKEN_SCHEMA } from './sqlite-tokens.ts';
import { sqliteUploads, UPLOAD_SCHEMA } from './sqlite-uploads.ts';
import type { NodeEntry, NodeStateStore, RestoredNode } from './store.ts';

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 2000;
  CREATE TABLE IF NOT EXISTS registry (node TEXT PRIMARY KEY, state TEXT NOT NULL, seen INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS heartbeats (
    node TEXT NOT NULL, epoch TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (node, epoch)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS complete (id INTEGER PRIMARY KEY CHECK (id = 1)) STRICT;
  ${ALERT_SCHEMA}
  ${CONFIG_SCHEMA}
  ${TOKEN_SCHEMA}
  ${UPLOAD_SCHEMA}
`;

/** A heartbeat that ended so long ago is forgotten, milliseconds. */
const FORGET_MS = 3_600_000;

interface Row {
  state: string;
  seen: number;
  epochs: string | null;
}

const SELECT = `SELECT state, seen, (SELECT group_concat(epoch) FROM heartbeats h WHERE h.node = r.node AND h.until > ?) AS epochs
  FROM registry r`;

/**
 * Node state of one machine, in a file that several local processes may open.
 * @throws NodeStateUnavailableError when the file cannot be opened
 */
export function openSqliteNodeState(options: { path: string }): NodeStateStore {
  try {
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
    const db = new DatabaseSync(options.path);
    db.exec(SCHEMA);
    return new SqliteNodeState(db);
  } catch (cause) {
    throw unavailable(`node state ${options.path} cannot be opened`, cause);
  }
}

class SqliteNodeState implements NodeStateStore {
  readonly alerts: AlertStore;
  readonly config: ConfigStore;
  readonly tokens: TokenStore;
  readonly uploads: UploadLeaseStore;

  constructor(private readonly db: DatabaseSync) {
    const run = <T>(work: () => T) => this.guard(work);
    const atomic = <T>(work: () => T) => this.atomic(work);
    this.alerts = sqliteAlerts(db, run, atomic);
    this.tokens = sqliteTokens(db, run);
    this.config = sqliteConfig(db, run, atomic);
    this.uploads = sqliteUploads(db, run, atomic);
  }

  async put(state: NodeState): Promise<void> {
    const sql = `INSERT INTO registry VALUES (?, ?, ?) ON CONFLICT (node) DO UPDATE SET state = excluded.state, seen = max(seen, excluded.seen)`;
    this.guard(() => this.db.prepare(sql).run(state.node, JSON.stringify(state), state.updatedAt));
  }

  async heartbeat(node: string, epoch: string, ttlMs: number): Promise<void> {
    const now = Date.now();
    this.atomic(() => {
      this.db.prepare(`UPDATE registry SET seen = ? WHERE node = ?`).run(now, node);
      this.db.prepare(`INSERT OR REPLACE INTO heartbeats VALUES (?, ?, ?)`).run(node, epoch, now + Math.round(ttlMs));
      this.db.prepare(`DELETE FROM heartbeats WHERE until < ?`).run(now - FORGET_MS);
    });
  }

  async list(): Promise<NodeEntry[]> {
    const rows = this.guard(() => this.db.prepare(`${SELECT} ORDER BY node`).all(Date.now()));
    return (rows as unknown as Row[]).map(toEntry).filter((entry) => entry !== null);
  }

  async get(node: string): Promise<NodeEntry | null> {
    const row = this.guard(() => this.db.prepare(`${SELECT} WHERE node = ?`).get(Date.now(), node)) as Row | undefined;
    return row ? toEntry(row) : null;
  }

  async deregister(node: string): Promise<void> {
    this.atomic(() => {
      this.db.prepare(`DELETE FROM registry WHERE node = ?`).run(node);
      this.db.prepare(`DELETE FROM heartbeats WHERE node = ?`).run(node);
    });
  }

  async isBlank(): Promise<boolean> {
    return this.guard(() => this.db.prepare(`SELECT id FROM complete`).get()) === undefined;
  }

  async restore(nodes: readonly RestoredNode[]): Promise<void> {
    this.atomic(() => {
      const insert = this.db.prepare(`INSERT OR IGNORE INTO registry VALUES (?, ?, ?)`);
      for (const { state, lastSeen } of nodes) insert.run(state.node, JSON.stringify(state), lastSeen);
      this.db.prepare(`INSERT OR IGNORE INTO complete VALUES (1)`).run();
    });
  }

  async close(): Promise<void> {
    if (this.db.isOpen) this.db.close();
  }

  private atomic<T>(work: () => T): T {
    return this.guard(() => {
      this.db.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.db.exec('COMMIT');
        return result;
      } catch (error) {
        this.db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  private guard<T>(run: () => T): T {
    try {
      return run();
    } catch (cause) {
      if ([ConfigConflictError, ConfigUnreadableError, NodeStateUnavailableError].some((kind) => cause instanceof kind))
        throw cause;
      throw unavailable('node state file', cause);
    }
  }
}

function toEntry(row: Row): NodeEntry | null {
  const state = parseState(row.state);
  const liveEpochs = row.epochs?.split(',') ?? [];
  return state && { state, alive: liveEpochs.length > 0, lastSeen: row.seen, liveEpochs };
}

function unavailable(what: string, cause: unknown): NodeStateUnavailableError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new NodeStateUnavailableError(`${what}: ${message}`, { cause });
}
