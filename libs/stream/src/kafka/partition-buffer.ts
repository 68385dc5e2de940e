import { ownsBuffer } from '@perfleet/bytes';
import type { PartitionRead, PartitionSource } from '../partition-loop.ts';
import type { Committed, StreamMessage } from '../stream.ts';
import type { Wakeup } from '../wakeup.ts';
import type { FetchedBatch, FetchedMessage } from './internals.ts';
import { isUnpacked } from './zstd.ts';

/** One batch with the handler, one ready: the next fetch runs while the handler works. */
const DEPTH = 2;

type Entry =
  | { readonly messages: readonly StreamMessage[]; readonly next: bigint }
  | { readonly messages: null; readonly next: bigint; readonly skipped?: { from: bigint; to: bigint } };

export interface BufferOptions {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
  readonly committed: Committed | null;
  readonly low: bigint;
  readonly high: bigint;
  /** Consumers wait on it. */
  readonly wakeup: Wakeup;
  /** The fetcher waits on it. */
  readonly room: Wakeup;
  readonly commit: (offset: bigint, metadata: string) => Promise<void>;
}

/** What was fetched of one partition and not yet taken. */
export class PartitionBuffer implements PartitionSource {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
  readonly committed: Committed | null;
  readonly wakeup: Wakeup;
  readonly commit: (offset: bigint, metadata: string) => Promise<void>;
  readonly start: bigint;
  /** Next offset to ask the broker for. */
  fetchOffset: bigint;
  /** Asked for by itself until a fetch succeeds, because one that it shared failed to decode. */
  alone = false;
  failures = 0;
  /** No fetch before this moment, performance.now(). */
  notBefore = 0;
  private readonly room: Wakeup;
  private queue: Entry[] = [];
  private high: bigint;

  constructor(options: BufferOptions) {
    this.topic = options.topic;
    this.partition = options.partition;
    this.topicId = options.topicId;
    this.committed = options.committed;
    this.wakeup = options.wakeup;
    this.room = options.room;
    this.commit = options.commit;
    this.high = options.high;
    this.start = this.fetchOffset = options.committed?.offset ?? options.low;
    if (this.start < options.low || this.start > options.high) this.moveTo(options.low, options.high);
  }

  get hasRoom(): boolean {
    return this.queue.length < DEPTH;
  }

  read(position: bigint): PartitionRead {
    while (this.queue[0]?.messages && this.queue[0].next <= position) {
      this.queue.shift();
      this.room.notify();
    }
    const { high } = this;
    const head = this.queue[0];
    if (!head) return { messages: [], next: position, high };
    if (head.messages) return { messages: head.messages, next: head.next, high };
    this.queue.shift();
    this.room.notify();
    return { messages: [], next: head.next, high, skipped: head.skipped };
  }

  /** @returns whether there was something new */
  push(batch: FetchedBatch): boolean {
    this.high = BigInt(batch.highWatermark);
    if (batch.rawMessages.length === 0) return false;
    const next = BigInt(batch.lastOffset()) + 1n;
    if (next <= this.fetchOffset) return false;
    const messages = batch.messages.map((message) => this.decode(message));
    ownBodies(batch, messages);
    this.fetchOffset = next;
    this.queue.push(messages.length > 0 ? { messages, next } : { messages: null, next });
    this.wakeup.notify();
    return true;
  }

  /** The log no longer has (or does not have) what is to be fetched next; what is missing is counted when its turn comes. */
  moveTo(low: bigint, high: bigint): void {
    const from = this.fetchOffset;
    this.fetchOffset = low;
    this.high = high;
    this.queue.push({ messages: null, next: low, skipped: from < low ? { from, to: low } : undefined });
    this.wakeup.notify();
  }

  private decode(message: FetchedMessage): StreamMessage {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(message.headers)) {
      const last = Array.isArray(value) ? value.at(-1) : value;
      headers[name] = last?.toString() ?? '';
    }
    return {
      topic: this.topic,
      partition: this.partition,
      offset: BigInt(message.offset),
      // Not of the batch, which a body may take with it.
      key: message.key && Buffer.from(message.key),
      value: message.value,
      headers,
      timestamp: Number(message.timestamp),
    };
  }
}

/** Whoever has used a body that came in a batch of its own, as a collector's do, may give the memory of the batch back. */
function ownBodies({ rawMessages }: FetchedBatch, messages: readonly StreamMessage[]): void {
  const records = new Map<ArrayBufferLike, number>();
  for (const { value } of rawMessages as FetchedMessage[])
    if (value) records.set(value.buffer, (records.get(value.buffer) ?? 0) + 1);
  for (const { value } of messages)
    if (value && isUnpacked(value) && records.get(value.buffer) === 1) ownsBuffer(value);
}
