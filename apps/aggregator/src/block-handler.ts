import { createHash } from 'node:crypto';
import { releaseBytes } from '@perfleet/bytes';
import type { PartitionAssignment, PartitionHandler, StreamBatch, StreamMessage } from '@perfleet/stream';
import { BlockContent, BODY_HASH, type BodyHash } from './block-content.ts';
import { formatRange, parseRange, type OffsetRange, type StoredRange } from './stored-range.ts';

const CHUNK_BYTES = 4 << 20;
const CHUNK_MESSAGES = 256;

export interface Block<T> {
  readonly range: OffsetRange;
  readonly items: readonly T[];
  /** Shard of the store that holds this block, or is to hold it; '' where there is one only. */
  readonly shard: string;
  /** Deduplication token of this block for a table. */
  token(table: string): string;
}

export interface Accepted<T> {
  readonly item: T;
  readonly rows: number;
  /** The message's body is not needed any more: its memory is given back. */
  readonly spent?: boolean;
}

/** What becomes of one topic's messages. */
export interface Sink<T> {
  /** In the order of the messages. Never fails on what a message holds, and remembers nothing of a call. */
  accept(
    messages: readonly StreamMessage[],
    assignment: PartitionAssignment,
  ): readonly Accepted<T>[] | Promise<readonly Accepted<T>[]>;
  /** Rejects while the store is away. Called again with the same block it changes nothing. */
  write(block: Block<T>, assignment: PartitionAssignment): Promise<void>;
}

export interface BlockLimits {
  readonly flushMs: number;
  readonly maxRows: number;
  readonly maxBytes: number;
}

export interface BlockHandlerOptions {
  /** Messages behind a batch that was read; null when the assignment ended. */
  readonly onLag?: (messages: number | null) => void;
  /** Where this partition's new blocks go, by today's map. */
  readonly shard?: string;
}

interface ClosedBlock<T> extends Block<T> {
  /** What its tokens are made of. */
  readonly bodies: BodyHash;
}

/**
 * Exactly once in effect, for one assignment of one partition:
 *
 *   1. messages are collected into a block;
 *   2. before the block is written its range is stored with the group, as metadata of a commit of its first offset, with the
 *      shard that it goes to and what its tokens are made of;
 *   3. the tables are written under tokens made of the topic's identity, the range and a hash of the raw bytes;
 *   4. the end of the range is committed, with empty metadata.
 *
 * Whoever opens the partition after a crash between 2 and 4 finds the range, collects exactly it and writes it to the same
 * shard under the same tokens, whatever the map of shards and this version say by then: what was in already is dropped by the store.
 */
export class BlockHandler<T> implements PartitionHandler {
  private items: T[] = [];
  private rows = 0;
  private bytes = 0;
  private since = 0;
  private next: bigint | null = null;
  private from: bigint | null = null;
  private content: BlockContent | null = null;
  private replay: StoredRange | null;
  /** Blocks that are closed but not yet committed, in their order; they are finished before anything is accepted. */
  private readonly closed: ClosedBlock<T>[] = [];

  constructor(
    private readonly assignment: PartitionAssignment,
    private readonly sink: Sink<T>,
    private readonly limits: BlockLimits,
    /** Retention may have removed the end of a stored range of a compacted topic. */
    private readonly compacted: boolean,
    private readonly options: BlockHandlerOptions = {},
  ) {
    this.replay = parseRange(assignment.committed?.metadata);
  }

  async onBatch(batch: StreamBatch): Promise<void> {
    const last = batch.messages.at(-1);
    if (last) this.options.onLag?.(Number(batch.highWatermark - last.offset) - 1);
    await this.finish(batch);
    // After a rejection the same offsets come again.
    const from = this.next;
    const unread = from === null ? batch.messages : batch.messages.filter((message) => message.offset >= from);
    for (const chunk of chunks(unread)) {
      const accepted = await this.sink.accept(chunk, this.assignment);
      // All of them before anything waits for the store: what was accepted is accepted once, and bodies go at once.
      for (const [i, message] of chunk.entries()) this.take(message, accepted[i]!);
      await this.finish(batch);
    }
    if (!this.replay && this.items.length > 0 && Date.now() - this.since >= this.limits.flushMs) await this.flush();
  }

  async onIdle(): Promise<void> {
    await this.finish();
    if (this.replay && !this.compacted) return;
    await this.flush();
  }

  /** What is held back is still in the log: the next owner reads it again. */
  async onClose(): Promise<void> {
    this.options.onLag?.(null);
    if (this.assignment.signal.aborted || (this.replay && !this.compacted)) return;
    await this.finish();
    await this.flush();
  }

  private take(message: StreamMessage, accepted: Accepted<T>): void {
    if (this.replay && message.offset >= this.replay.to) this.close();
    this.add(message, accepted);
    const full = this.replay
      ? message.offset + 1n >= this.replay.to
      : this.rows >= this.limits.maxRows || this.bytes >= this.limits.maxBytes;
    if (full) this.close();
  }

  private add(message: StreamMessage, { item, rows, spent }: Accepted<T>): void {
    if (this.items.length === 0) {
      this.since = Date.now();
      this.from = this.replay?.from ?? message.offset;
      this.content = new BlockContent(this.replay?.bodies ?? BODY_HASH);
    }
    this.items.push(item);
    this.rows += rows;
    this.bytes += message.value?.byteLength ?? 0;
    this.content!.add(message);
    if (spent && message.value) releaseBytes(message.value);
    this.next = message.offset + 1n;
  }

  private async flush(): Promise<void> {
    this.close();
    await this.finish();
  }

  /** Ends the block that is being collected. */
  private close(): void {
    if (this.items.length === 0 || this.from === null || this.next === null || !this.content) {
      this.replay = null;
      return;
    }
    const { topic, topicId, partition } = this.assignment;
    const range = { from: this.from, to: this.replay && !this.compacted ? this.replay.to : this.next };
    const { bodies } = this.content;
    const content = this.content.digest();
    const token = (table: string) =>
      createHash('sha256')
        .update(JSON.stringify([table, topic, topicId, partition, String(range.from), String(range.to), content]))
        .digest('hex');
    const shard = this.replay?.shard ?? this.options.shard ?? '';
    this.closed.push({ range, shard, bodies, items: this.items, token });
    this.replay = null;
    this.items = [];
    this.rows = 0;
    this.bytes = 0;
  }

  /** Writes what is closed. */
  private async finish(batch?: StreamBatch): Promise<void> {
    for (let block = this.closed[0]; block; block = this.closed[0]) {
      await this.write(block);
      this.closed.shift();
      await batch?.heartbeat();
    }
  }

  private async write(block: ClosedBlock<T>): Promise<void> {
    const { range, shard, bodies } = block;
    await this.assignment.commit(range.from, formatRange({ ...range, shard, bodies }));
    await this.sink.write(block, this.assignment);
    await this.assignment.commit(range.to, '');
  }
}

/** Messages that are accepted together: enough to be worth a turn of the thread pool, and bounded in memory. */
function* chunks(messages: readonly StreamMessage[]): Generator<readonly StreamMessage[]> {
  let from = 0;
  let bytes = 0;
  for (const [i, message] of messages.entries()) {
    bytes += message.value?.byteLength ?? 0;
    if (bytes < CHUNK_BYTES && i + 1 - from < CHUNK_MESSAGES) continue;
    yield messages.slice(from, i + 1);
    from = i + 1;
    bytes = 0;
  }
  if (from < messages.length) yield messages.slice(from);
}
