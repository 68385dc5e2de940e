import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { LossCounts, LossReason, ProfileHeaders } from '@perfleet/messages';
import { ProfilesEncoder } from '@perfleet/otlp';
import { AgeClock } from './age-clock.ts';
import { isDamaged, isFull, openSpoolFile } from './spool-file.ts';
import { add, countsIn, crcOf, isWhole, sum, type MessageRow } from './spool-row.ts';

/** A message that is to be sent. `samples` and `lost` are what it adds to its epoch's counts. */
export interface SpoolRecord {
  readonly topic: string;
  readonly epoch: string;
  readonly body: Uint8Array;
  /** Samples in the body; null for a message that is not counted (an event). */
  readonly samples: number | null;
  readonly lost?: Readonly<Record<string, number>>;
}

export interface SpooledMessage {
  readonly id: number;
  readonly topic: string;
  readonly body: Uint8Array;
  readonly samples: number;
  /** null for a message that is not counted. `sent` is filled in by the sender. */
  readonly headers: Omit<ProfileHeaders, 'schema' | 'node' | 'sent'> | null;
}

export interface EpochCounts {
  readonly epochStart: number;
  readonly taken: number;
  readonly stored: number;
  readonly lost: LossCounts;
}

interface EpochRow {
  start: number;
  next_seq: number;
  taken: number;
  stored: number;
  lost: string;
}

/** Bytes that a row costs beside its body. */
const ROW_BYTES = 200;

/** Of a message that says counts and holds no samples. */
const NO_SAMPLES = new ProfilesEncoder().finish();

export interface SpoolBounds {
  readonly bytes: number;
  /** Of a message, milliseconds; what is older is of no use to the store, which keeps raw samples for 14 days. */
  readonly ageMs?: number;
}

/** Half of the raw samples' days: a node that was away for longer has its last week. */
const AGE_MS = 7 * 86_400_000;

/**
 * Messages on their way to the stream, on disk: in order, bounded in size and age, oldest dropped first, kept over restarts.
 * A record is in it entirely or not at all, also after a kill in the middle of a write; one that the disk gave back changed is not sent.
 */
export class Spool {
  private bytes: number;
  private inFlight = -1;
  /** Counts of records that the disk did not take; the next record of the epoch carries them. */
  private refused: Record<string, number> = {};

  private constructor(
    private readonly db: DatabaseSync,
    private readonly bounds: Required<SpoolBounds>,
    private readonly clock: AgeClock,
    /** What was wrong with the file that was there before, "" normally. */
    readonly openedWith: string,
  ) {
    const row = db.prepare(`SELECT coalesce(sum(size), 0) AS bytes FROM messages`).get() as { bytes: number };
    this.bytes = row.bytes;
    // Of a version that did not note when.
    db.prepare(`UPDATE messages SET at = ? WHERE at = 0`).run(clock.now().at);
  }

  /**
   * A file that is not a spool is put aside (`.corrupt`) and a new one begun.
   * @throws when the directory is not writable or the disk is full: what the file holds stays
   */
  static open(path: string, { bytes, ageMs = AGE_MS }: SpoolBounds, clock = new AgeClock()): Spool {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const bounds = { bytes, ageMs };
    try {
      return new Spool(openSpoolFile(path), bounds, clock, '');
    } catch (error) {
      if (!isDamaged(error)) throw error;
      for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
      renameSync(path, `${path}.corrupt`);
      const reason = `${path} could not be read (${error instanceof Error ? error.message : String(error)})`;
      return new Spool(openSpoolFile(path), bounds, clock, `${reason}; it was put aside as ${path}.corrupt`);
    }
  }

  get isOpen(): boolean {
    return this.db.isOpen;
  }

  get pendingBytes(): number {
    return this.bytes;
  }

  beginEpoch(epoch: string, start: number): void {
    this.db.prepare(`DELETE FROM epochs WHERE epoch NOT IN (SELECT epoch FROM messages)`).run();
    this.db.prepare(`INSERT OR IGNORE INTO epochs VALUES (?, ?, 1, 0, 0, '{}')`).run(epoch, start);
  }

  hasEpoch(epoch: string): boolean {
    return this.db.prepare(`SELECT 1 FROM epochs WHERE epoch = ?`).get(epoch) !== undefined;
  }

  /**
   * Appends `records` together and drops the oldest messages while a bound is exceeded; of the last one of an epoch the counts stay.
   * @returns false when the disk did not take them: their samples count as lost (`spool-full`) in the next record
   */
  append(records: readonly SpoolRecord[]): boolean {
    const carried = this.refused;
    try {
      this.transaction(() => {
        const now = this.now();
        for (const record of records) {
          this.insert(record, record.samples === null ? {} : this.refused, now);
          if (record.samples !== null) this.refused = {};
        }
        this.enforceBounds(now);
      });
      return true;
    } catch {
      this.refused = { ...carried };
      for (const record of records) {
        add(this.refused, record.lost ?? {});
        if (record.samples) add(this.refused, { 'spool-full': record.samples });
      }
      return false;
    }
  }

  /** The oldest message, in flight from now on: it is not dropped until `settle` or the next call. */
  next(): SpooledMessage | null {
    let row = this.oldest();
    for (; row && !isWhole(row); row = this.oldest()) this.giveUp(row);
    this.inFlight = row?.id ?? -1;
    if (!row) return null;
    return { id: row.id, topic: row.topic, body: row.body, samples: row.samples, headers: this.headersOf(row) };
  }

  /** What the disk gave back changed: of a message with samples their number is still told. */
  private giveUp(row: MessageRow): void {
    this.transaction(() => (row.seq === null ? this.remove(row.id, true) : this.empty(row, 'undecodable')));
  }

  private oldest(): MessageRow | undefined {
    return this.db.prepare(`SELECT * FROM messages ORDER BY id LIMIT 1`).get() as MessageRow | undefined;
  }

  /** The stream has the message. */
  settle(id: number): void {
    this.transaction(() => this.remove(id, false));
    this.inFlight = -1;
  }

  /** Counts of messages that left the spool. */
  counts(epoch: string): EpochCounts {
    const row = this.epoch(epoch);
    return { epochStart: row.start, taken: row.taken, stored: row.stored, lost: JSON.parse(row.lost) as LossCounts };
  }

  /** Counts that were refused and wait for a record to carry them. */
  get carried(): Readonly<Record<string, number>> {
    return this.refused;
  }

  close(): void {
    if (this.db.isOpen) this.db.close();
  }

  /** The time, and messages' times by the same clock: one that was set made nothing older or younger. */
  private now(): number {
    const { at, jumped } = this.clock.now();
    if (jumped !== 0) this.db.prepare(`UPDATE messages SET at = at + ?`).run(jumped);
    return at;
  }

  private insert(record: SpoolRecord, carried: Readonly<Record<string, number>>, at: number): void {
    const lost = { ...record.lost };
    add(lost, carried);
    const size = record.body.byteLength + ROW_BYTES;
    const [samples, told] = [record.samples ?? 0, JSON.stringify(lost)];
    let seq: number | null = null;
    if (record.samples !== null) {
      seq = this.epoch(record.epoch).next_seq;
      this.db.prepare(`UPDATE epochs SET next_seq = ? WHERE epoch = ?`).run(seq + 1, record.epoch);
    }
    this.db
      .prepare(
        `INSERT INTO messages (topic, epoch, seq, samples, lost, size, body, at, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        ...[record.topic, record.epoch, seq, samples, told, size, record.body, at, crcOf(samples, told, record.body)],
      );
    this.bytes += size;
  }

  private enforceBounds(now: number): void {
    const { bytes, ageMs } = this.bounds;
    for (;;) {
      const row = this.db
        .prepare(`SELECT * FROM messages WHERE id <> ? AND (seq IS NULL OR body <> ?) ORDER BY id LIMIT 1`)
        .get(this.inFlight, NO_SAMPLES) as MessageRow | undefined;
      if (!row || (this.bytes <= bytes && now - row.at <= ageMs)) return;
      if (row.seq === null || this.isFollowed(row)) this.remove(row.id, true);
      else this.empty(row, 'spool-dropped');
    }
  }

  /** Whether another message of its epoch is still to be sent, which tells what became of this one. */
  private isFollowed({ id, epoch }: MessageRow): boolean {
    const sql = `SELECT 1 FROM messages WHERE epoch = ? AND seq IS NOT NULL AND id NOT IN (?, ?) LIMIT 1`;
    return this.db.prepare(sql).get(epoch, id, this.inFlight) !== undefined;
  }

  /** Drops a message's samples and keeps what tells of them: nothing else of its epoch may ever follow. */
  private empty(row: MessageRow, reason: LossReason): void {
    const lost = countsIn(row.lost);
    add(lost, { [reason]: row.samples });
    const told = JSON.stringify(lost);
    const size = NO_SAMPLES.byteLength + ROW_BYTES;
    this.db
      .prepare(`UPDATE messages SET samples = 0, lost = ?, size = ?, body = ?, crc = ? WHERE id = ?`)
      .run(told, size, NO_SAMPLES, crcOf(0, told, NO_SAMPLES), row.id);
    this.bytes += size - row.size;
  }

  private remove(id: number, dropped: boolean): void {
    const row = this.db.prepare(`SELECT * FROM messages WHERE id = ?`).get(id) as MessageRow | undefined;
    if (!row) return;
    if (row.seq !== null) {
      const { epoch, taken, stored, lost } = this.after(row);
      if (dropped) add(lost, { 'spool-dropped': row.samples });
      this.db
        .prepare(`UPDATE epochs SET taken = ?, stored = ?, lost = ? WHERE epoch = ?`)
        .run(taken, dropped ? epoch.stored : stored, JSON.stringify(lost), row.epoch);
    }
    this.db.prepare(`DELETE FROM messages WHERE id = ?`).run(id);
    this.bytes -= row.size;
  }

  private headersOf(row: MessageRow): SpooledMessage['headers'] {
    if (row.seq === null) return null;
    const { epoch, taken, lost } = this.after(row);
    return { epoch: row.epoch, epochStart: epoch.start, seq: row.seq, taken, lost };
  }

  /** The epoch's counts when `row` is the next of its messages that is stored. */
  private after(row: MessageRow): { epoch: EpochRow; taken: number; stored: number; lost: Record<string, number> } {
    const epoch = this.epoch(row.epoch);
    const own = countsIn(row.lost);
    const lost = JSON.parse(epoch.lost) as Record<string, number>;
    add(lost, own);
    const taken = epoch.taken + row.samples + sum(own);
    return { epoch, taken, stored: epoch.stored + row.samples, lost };
  }

  private epoch(epoch: string): EpochRow {
    const row = this.db.prepare(`SELECT * FROM epochs WHERE epoch = ?`).get(epoch) as EpochRow | undefined;
    if (!row) throw new Error(`epoch ${epoch} was not begun`);
    return row;
  }

  private transaction(run: () => void): void {
    try {
      this.attempt(run);
    } catch (error) {
      if (!isFull(error)) throw error;
      // The space that the write-ahead log has serves again when what it holds fits into the database.
      this.db.exec('PRAGMA wal_checkpoint(RESTART)');
      this.attempt(run);
    }
  }

  /** What `run` changed in memory is undone with the transaction. */
  private attempt(run: () => void): void {
    const { bytes, refused } = this;
    this.db.exec('BEGIN IMMEDIATE');
    try {
      run();
      this.db.exec('COMMIT');
    } catch (error) {
      if (this.db.isTransaction) this.db.exec('ROLLBACK');
      this.bytes = bytes;
      this.refused = refused;
      throw error;
    }
  }
}
