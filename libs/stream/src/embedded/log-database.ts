import { randomUUID } from 'node:crypto';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { StreamUnavailableError } from '../errors.ts';
import type { Committed, OutgoingMessage, StreamMessage, TopicDefinition } from '../stream.ts';
import { partitionOf } from './partitioner.ts';

interface TopicRow {
  readonly id: string;
  readonly partitions: number;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY, id TEXT NOT NULL, partitions INTEGER NOT NULL, retention_ms INTEGER NOT NULL, compacted INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS partitions (topic TEXT NOT NULL, partition INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, timestamp INTEGER NOT NULL, key BLOB, value BLOB, headers TEXT NOT NULL, UNIQUE (topic, partition, offset));
CREATE TABLE IF NOT EXISTS commits (grp TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, metadata TEXT NOT NULL, PRIMARY KEY (grp, topic, partition)) WITHOUT ROWID;
`;

const encoder = new TextEncoder();

/**
 * The log's tables in SQLite. Write-ahead log with synchronous = NORMAL: a killed process loses nothing; a power failure may
 * lose the last moments, as a Kafka broker without fsync does.
 */
export class LogDatabase {
  private readonly db: DatabaseSync;
  private readonly statements = new Map<string, StatementSync>();
  private readonly topics = new Map<string, TopicRow>();
  private roundRobin = 0;

  constructor(readonly path: string) {
    try {
      this.db = new DatabaseSync(path);
      this.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;');
      this.db.exec(SCHEMA);
    } catch (cause) {
      throw new StreamUnavailableError(
        `cannot open the embedded log ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
  }

  ensureTopic(topic: TopicDefinition): void {
    this.transaction(() => {
      this.run(
        'INSERT OR IGNORE INTO topics VALUES (?, ?, ?, ?, ?)',
        topic.name,
        randomUUID(),
        topic.partitions,
        topic.retentionMs,
        topic.compacted ? 1 : 0,
      );
      this.run(
        'UPDATE topics SET retention_ms = ?, compacted = ? WHERE name = ?',
        topic.retentionMs,
        topic.compacted ? 1 : 0,
        topic.name,
      );
      const { partitions } = this.topic(topic.name);
      for (let p = 0; p < partitions; p++)
        this.run('INSERT OR IGNORE INTO partitions VALUES (?, ?, 0, 0)', topic.name, p);
    });
  }

  /** For tests and administration: a topic made again after this has another id. */
  dropTopic(name: string): void {
    this.topics.delete(name);
    this.transaction(() => {
      for (const table of ['messages', 'partitions', 'commits']) this.run(`DELETE FROM ${table} WHERE topic = ?`, name);
      this.run('DELETE FROM topics WHERE name = ?', name);
    });
  }

  topic(name: string): TopicRow {
    const known = this.topics.get(name);
    if (known) return known;
    const row = this.statement('SELECT id, partitions FROM topics WHERE name = ?').get(name) as unknown as
      TopicRow | undefined;
    if (!row) throw new StreamUnavailableError(`topic ${name} does not exist; ensureTopics creates it`);
    this.topics.set(name, row);
    return row;
  }

  append(topic: string, messages: readonly OutgoingMessage[]): void {
    const { partitions } = this.topic(topic);
    this.transaction(() => {
      const next = new Map<number, number>();
      for (const message of messages) {
        const key = typeof message.key === 'string' ? encoder.encode(message.key) : message.key;
        const partition = key === null ? this.roundRobin++ % partitions : partitionOf(key, partitions);
        const offset = next.get(partition) ?? this.bounds(topic, partition).high;
        this.run(
          'INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)',
          topic,
          partition,
          offset,
          Date.now(),
          key,
          message.value,
          JSON.stringify(message.headers ?? {}),
        );
        next.set(partition, offset + 1);
      }
      for (const [partition, high] of next)
        this.run('UPDATE partitions SET high = ? WHERE topic = ? AND partition = ?', high, topic, partition);
    });
  }

  bounds(topic: string, partition: number): { low: number; high: number } {
    return this.statement('SELECT low, high FROM partitions WHERE topic = ? AND partition = ?').get(
      topic,
      partition,
    ) as unknown as { low: number; high: number };
  }

  /** At least one message when there is one, then as many as fit into `maxBytes`. */
  read(topic: string, partition: number, from: number, maxBytes: number): StreamMessage[] {
    const messages: StreamMessage[] = [];
    let bytes = 0;
    const sql =
      'SELECT offset, timestamp, key, value, headers FROM messages WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT 2000';
    for (const row of this.statement(sql).iterate(topic, partition, from)) {
      const value = row['value'] as Uint8Array | null;
      bytes += (value?.length ?? 0) + 64;
      if (messages.length > 0 && bytes > maxBytes) break;
      messages.push({
        topic,
        partition,
        offset: BigInt(row['offset'] as number),
        timestamp: row['timestamp'] as number,
        key: row['key'] as Uint8Array | null,
        value,
        headers: JSON.parse(row['headers'] as string) as Record<string, string>,
      });
    }
    return messages;
  }

  committed(group: string, topic: string, partition: number): Committed | null {
    const row = this.statement(
      'SELECT offset, metadata FROM commits WHERE grp = ? AND topic = ? AND partition = ?',
    ).get(group, topic, partition);
    return row ? { offset: BigInt(row['offset'] as number), metadata: row['metadata'] as string } : null;
  }

  commit(group: string, topic: string, partition: number, offset: bigint, metadata: string): void {
    this.run(
      'INSERT OR REPLACE INTO commits VALUES (?, ?, ?, ?, ?)',
      group,
      topic,
      partition,
      Number(offset),
      metadata,
    );
  }

  /** Changes when another connection has written. */
  dataVersion(): number {
    return this.statement('PRAGMA data_version').get()!['data_version'] as number;
  }

  /** Drops what is older than each topic's retention; of a compacted topic, what has a later message of the same key. */
  clean(now: number): void {
    const topics = this.statement('SELECT name, partitions, retention_ms, compacted FROM topics').all();
    for (const topic of topics) {
      const name = topic['name'] as string;
      const retention = topic['retention_ms'] as number;
      if (topic['compacted']) {
        this.run(
          'DELETE FROM messages WHERE topic = ? AND rowid NOT IN (SELECT max(rowid) FROM messages WHERE topic = ? GROUP BY partition, key) AND key IS NOT NULL',
          name,
          name,
        );
      }
      if (retention < 0) continue;
      for (let p = 0; p < (topic['partitions'] as number); p++) {
        this.transaction(() => {
          const { low, high } = this.bounds(name, p);
          const row = this.statement(
            'SELECT offset FROM messages WHERE topic = ? AND partition = ? AND timestamp >= ? ORDER BY offset LIMIT 1',
          ).get(name, p, now - retention);
          const keep = row ? (row['offset'] as number) : high;
          if (keep <= low) return;
          this.run('DELETE FROM messages WHERE topic = ? AND partition = ? AND offset < ?', name, p, keep);
          this.run('UPDATE partitions SET low = ? WHERE topic = ? AND partition = ?', keep, name, p);
        });
      }
    }
  }

  close(): void {
    this.db.close();
  }

  private transaction(work: () => void): void {
    this.db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.db.exec('COMMIT');
    } catch (error) {
      this.db.exec('ROLLBACK');
      throw error;
    }
  }

  private statement(sql: string): StatementSync {
    let statement = this.statements.get(sql);
    if (!statement) this.statements.set(sql, (statement = this.db.prepare(sql)));
    return statement;
  }

  private run(sql: string, ...values: Array<string | number | Uint8Array | null>): void {
    this.statement(sql).run(...values);
  }
}
