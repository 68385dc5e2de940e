import { StaleAssignmentError } from './errors.ts';
import type { Committed, ConsumerOptions, PartitionAssignment, PartitionHandler, StreamMessage } from './stream.ts';
import type { Wakeup } from './wakeup.ts';

/** What is there now from a position on. */
export interface PartitionRead {
  readonly messages: readonly StreamMessage[];
  /** Where to read on: after the messages, after offsets that compaction removed, or the position itself. */
  readonly next: bigint;
  /** Offset after the last message of the partition. */
  readonly high: bigint;
  /** Offsets that retention removed before they were read. */
  readonly skipped?: { readonly from: bigint; readonly to: bigint };
}

/** One partition under one assignment, as an adapter offers it. */
export interface PartitionSource {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
  readonly committed: Committed | null;
  readonly start: bigint;
  /** Told when something may have arrived. */
  readonly wakeup: Wakeup;
  /** Does not wait. Called again with the same position it gives the same offsets. */
  read(position: bigint): PartitionRead;
  /** @throws StaleAssignmentError when the log knows another owner */
  commit(offset: bigint, metadata: string): Promise<void>;
}

const BACKOFF_MS = { first: 100, most: 10_000 };
const IDLE_MS = 1000;

/** One assignment: hands a partition's messages to its handler, one batch after another, until it ends. */
export class PartitionLoop {
  private readonly controller = new AbortController();
  private readonly ending = new AbortController();
  private readonly assignment: PartitionAssignment;
  private readonly finished: Promise<void>;
  private handler: PartitionHandler | null = null;
  private position: bigint;

  constructor(
    private readonly source: PartitionSource,
    private readonly options: ConsumerOptions,
  ) {
    this.position = source.start;
    const { topic, partition, topicId, committed } = source;
    const commit = (offset: bigint, metadata = '') => this.commit(offset, metadata);
    this.assignment = { topic, partition, topicId, committed, signal: this.controller.signal, commit };
    this.finished = this.run();
  }

  /** From now on commits are stale, although the handler may still be at work. */
  revoke(): void {
    this.controller.abort();
    this.ending.abort();
  }

  /** Ends the assignment. A clean end lets the handler commit; after a rebalance its commits are stale at once. */
  async end(clean: boolean): Promise<void> {
    if (!clean) this.controller.abort();
    this.ending.abort();
    await this.finished;
    try {
      await this.handler?.onClose?.();
    } catch (error) {
      this.report(error);
    }
    this.handler = null;
    this.controller.abort();
  }

  private async commit(offset: bigint, metadata: string): Promise<void> {
    const { topic, partition } = this.source;
    if (this.controller.signal.aborted)
      throw new StaleAssignmentError(`partition ${topic}/${partition} of ${this.options.group} has another owner`);
    try {
      await this.source.commit(offset, metadata);
    } catch (error) {
      if (error instanceof StaleAssignmentError) this.revoke();
      throw error;
    }
  }

  private async run(): Promise<void> {
    const stop = this.ending.signal;
    let backoff = BACKOFF_MS.first;
    while (!stop.aborted) {
      try {
        this.handler ??= this.options.open(this.assignment);
        await this.handOver(this.handler, stop, () => (backoff = BACKOFF_MS.first));
      } catch (error) {
        this.report(error);
        await this.source.wakeup.pause(backoff, stop);
        backoff = Math.min(backoff * 2, BACKOFF_MS.most);
      }
    }
  }

  /** Returns when the assignment ends; rejects with what the handler rejects with. */
  private async handOver(handler: PartitionHandler, stop: AbortSignal, onProgress: () => void): Promise<void> {
    const { topic, partition, wakeup } = this.source;
    const idleMs = handler.onIdle ? (this.options.idleMs ?? IDLE_MS) : Infinity;
    // Counted from the last message and not from the last wake-up: a busy neighbour must not keep this one from its idle call.
    let idleAt = performance.now() + idleMs;
    while (!stop.aborted) {
      const wake = wakeup.next();
      const { messages, next, high, skipped } = this.source.read(this.position);
      if (skipped) this.options.onSkipped?.(topic, partition, skipped.from, skipped.to);
      if (messages.length > 0) {
        await handler.onBatch({
          assignment: this.assignment,
          messages,
          highWatermark: high,
          heartbeat: async () => undefined,
        });
        this.position = next;
        idleAt = performance.now() + idleMs;
        onProgress();
        // A handler that never waits must not keep timers and sockets from their turn.
        await new Promise(setImmediate);
      } else if (next !== this.position) {
        this.position = next;
      } else if (performance.now() >= idleAt) {
        await handler.onIdle?.();
        idleAt = Infinity;
        onProgress();
      } else {
        await wake.within(idleAt - performance.now(), stop);
      }
    }
  }

  private report(error: unknown): void {
    this.options.onError?.(error instanceof Error ? error : new Error(String(error)));
  }
}
