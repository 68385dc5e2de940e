import { randomUUID } from 'node:crypto';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { StaleAssignmentError, StreamUnavailableError } from '../errors.ts';
import type { PartitionRead } from '../partition-loop.ts';
import type { Committed, OutgoingMessage, StreamMessage, TopicDefinition } from '../stream.ts';
import { partitionOf } from '../partitioner.ts';
import { SCHEMA } from './schema.ts';

interface TopicRow {
  readonly id: string;
  readonly partitions: number;
  readonly compacted: number;
}

export interface GroupRow {
  readonly generation: number;
  /** Of which stream the members are. */
  readonly owner: string;
  /** When the owner was last alive, Unix milliseconds; 0 when it has left. */
  readonly seen: number;
}

const CLEAN_ROWS = 200;
const TOMBSTONE_MS = 86_400_000;
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
      this.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 100;');
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
      for (const table of ['messages', 'partitions', 'commits', 'latest'])
        this.run(`DELETE FROM ${table} WHERE topic = ?`, name);
      this.run('DELETE FROM topics WHERE name = ?', name);
    });
  }

  topic(name: string): TopicRow {
    const known = this.topics.get(name);
    if (known) return known;
    const row = this.statement('SELECT id, partitions, compacted FROM topics WHERE name = ?').get(name) as unknown as
      TopicRow | undefined;
    if (!row) throw new StreamUnavailableError(`topic ${name} does not exist; ensureTopics creates it`);
    this.topics.set(name, row);
    return row;
  }

  append(topic: string, messages: readonly OutgoingMessage[]): void {
    const { partitions, compacted } = this.topic(topic);
    this.transaction(() => {
      const now = Date.now();
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
          now,
          key,
          message.value,
          JSON.stringify(message.headers ?? {}),
        );
        if (compacted && key !== null) this.supersede(topic, partition, key, offset);
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

  readFrom(topic: string, partition: number, position: bigint, maxBytes: number): PartitionRead {
    const { low, high } = this.bounds(topic, partition);
    const from = Number(position);
    if (from < low)
      return { messages: [], next: BigInt(low), high: BigInt(high), skipped: { from: position, to: BigInt(low) } };
    const messages = from < high ? this.read(topic, partition, from, maxBytes) : [];
    // Compaction may have removed everything up to the end.
    const last = messages.at(-1);
    return { messages, next: last ? last.offset + 1n : BigInt(Math.max(from, high)), high: BigInt(high) };
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

  /** @throws StaleAssignmentError when the group has another generation by now */
  commit(
    at: { group: string; generation: number; topic: string; partition: number },
    offset: bigint,
    metadata: string,
  ): void {
    const { group, generation, topic, partition } = at;
    this.transaction(() => {
      if (this.group(group)?.generation !== generation)
        throw new StaleAssignmentError(`partition ${topic}/${partition} of ${group} has another owner`);
      this.run(
        'INSERT OR REPLACE INTO commits VALUES (?, ?, ?, ?, ?)',
        group,
        topic,
        partition,
        Number(offset),
        metadata,
      );
    });
  }

  group(name: string): GroupRow | undefined {
    return this.statement('SELECT generation, owner, seen FROM groups WHERE grp = ?').get(name) as unknown as
      GroupRow | undefined;
  }

  /** A new generation, owned by this connection's stream; commits under the ones before are refused from now on. */
  claim(name: string, owner: string, now: number): number {
    this.run(
      'INSERT INTO groups VALUES (?1, 1, ?2, ?3) ON CONFLICT (grp) DO UPDATE SET generation = generation + 1, owner = ?2, seen = ?3',
      name,
      owner,
      now,
    );
    return this.group(name)!.generation;
  }

  /** Shows that the owner is alive; with `now` = 0, that it has left. */
  touch(name: string, owner: string, now: number): void {
    this.run('UPDATE groups SET seen = ? WHERE grp = ? AND owner = ?', now, name, owner);
  }

  /** Changes when another connection has written. */
  dataVersion(): number {
    return this.statement('PRAGMA data_version').get()!['data_version'] as number;
  }

  /**
   * Drops what is older than each topic's retention, and tombstones of compacted topics after a day. One step of the iterator is one
   * short transaction, so that the caller can let others have their turn.
   */
  *clean(now: number): Generator<void> {
    for (const topic of this.statement('SELECT name, partitions, retention_ms, compacted FROM topics').all()) {
      const name = topic['name'] as string;
      const retention = topic['retention_ms'] as number;
      for (let p = 0; p < (topic['partitions'] as number); p++) {
        if (topic['compacted']) yield this.dropTombstones(name, p, now - TOMBSTONE_MS);
        else if (retention >= 0) while (this.dropExpired(name, p, now - retention)) yield;
      }
    }
  }

  /** @returns whether there may be more */
  private dropExpired(topic: string, partition: number, before: number): boolean {
    const rows = this.statement(
      'SELECT offset, timestamp FROM messages WHERE topic = ? AND partition = ? ORDER BY offset LIMIT ?',
    ).all(topic, partition, CLEAN_ROWS);
    const kept = rows.findIndex((row) => (row['timestamp'] as number) >= before);
    const last = rows.at(kept < 0 ? -1 : kept - 1);
    if (kept === 0 || !last) return false;
    const low = (last['offset'] as number) + 1;
    this.transaction(() => {
      this.run('DELETE FROM messages WHERE topic = ? AND partition = ? AND offset < ?', topic, partition, low);
      this.run('UPDATE partitions SET low = ? WHERE topic = ? AND partition = ?', low, topic, partition);
    });
    return kept < 0;
  }

  private dropTombstones(topic: string, partition: number, before: number): void {
    this.transaction(() => {
      const old =
        'SELECT offset FROM messages WHERE topic = ?1 AND partition = ?2 AND value IS NULL AND timestamp < ?3';
      this.run(
        `DELETE FROM latest WHERE topic = ?1 AND partition = ?2 AND offset IN (${old})`,
        topic,
        partition,
        before,
      );
      this.run(
        `DELETE FROM messages WHERE topic = ?1 AND partition = ?2 AND offset IN (${old})`,
        topic,
        partition,
        before,
      );
    });
  }

  /** Compaction as messages arrive: the one before with this key goes. */
  private supersede(topic: string, partition: number, key: Uint8Array, offset: number): void {
    const before = this.statement('SELECT offset FROM latest WHERE topic = ? AND partition = ? AND key = ?').get(
      topic,
      partition,
      key,
    );
    if (before)
      this.run(
        'DELETE FROM messages WHERE topic = ? AND partition = ? AND offset = ?',
        topic,
        partition,
        before['offset'] as number,
      );
    this.run('INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?)', topic, partition, key, offset);
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
