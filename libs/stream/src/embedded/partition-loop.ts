import { StaleAssignmentError } from '../errors.ts';
import type { ConsumerOptions, PartitionAssignment, PartitionHandler } from '../stream.ts';
import type { LogDatabase } from './log-database.ts';
import type { Wakeup } from './wakeup.ts';

const BACKOFF_MS = { first: 100, most: 10_000 };

/** One assignment: hands a partition's messages to its handler, one batch after another, until it ends. */
export class PartitionLoop {
  private readonly controller = new AbortController();
  private readonly ending = new AbortController();
  private readonly finished: Promise<void>;
  private readonly handler: PartitionHandler;
  private readonly assignment: PartitionAssignment;
  private position: number;

  constructor(
    private readonly db: LogDatabase,
    private readonly wakeup: Wakeup,
    private readonly options: ConsumerOptions,
    private readonly topic: string,
    private readonly partition: number,
  ) {
    const committed = db.committed(options.group, topic, partition);
    this.position = committed ? Number(committed.offset) : 0;
    const signal = this.controller.signal;
    this.assignment = {
      topic,
      partition,
      topicId: db.topic(topic).id,
      committed,
      signal,
      commit: async (offset, metadata = '') => {
        if (signal.aborted)
          throw new StaleAssignmentError(`partition ${topic}/${partition} of ${options.group} has another owner`);
        db.commit(options.group, topic, partition, offset, metadata);
      },
    };
    this.handler = options.open(this.assignment);
    this.finished = this.run();
  }

  /** Ends the assignment. A clean end lets the handler commit; after a rebalance its commits are stale at once. */
  async end(clean: boolean): Promise<void> {
    if (!clean) this.controller.abort();
    this.ending.abort();
    await this.finished;
    try {
      await this.handler.onClose?.();
    } catch (error) {
      this.report(error);
    }
    this.controller.abort();
  }

  private async run(): Promise<void> {
    const stop = this.ending.signal;
    let backoff = BACKOFF_MS.first;
    let idle = false;
    while (!stop.aborted) {
      try {
        const wake = this.wakeup.next();
        const { low, high } = this.db.bounds(this.topic, this.partition);
        if (this.position < low) {
          this.options.onSkipped?.(this.topic, this.partition, BigInt(this.position), BigInt(low));
          this.position = low;
        }
        const messages =
          this.position < high
            ? this.db.read(this.topic, this.partition, this.position, this.options.maxBytesPerBatch ?? 4 << 20)
            : [];
        if (messages.length > 0) {
          await this.handler.onBatch({
            assignment: this.assignment,
            messages,
            highWatermark: BigInt(high),
            heartbeat: async () => undefined,
          });
          this.position = Number(messages.at(-1)!.offset) + 1;
          backoff = BACKOFF_MS.first;
          idle = false;
          continue;
        }
        // Compaction may have removed everything up to the end.
        this.position = Math.max(this.position, high);
        const woken = await wake.within(idle || !this.handler.onIdle ? Infinity : (this.options.idleMs ?? 1000), stop);
        if (!woken && !stop.aborted) {
          await this.handler.onIdle?.();
          idle = true;
        }
      } catch (error) {
        this.report(error);
        await this.wakeup.pause(backoff, stop);
        backoff = Math.min(backoff * 2, BACKOFF_MS.most);
      }
    }
  }

  private report(error: unknown): void {
    this.options.onError?.(error instanceof Error ? error : new Error(String(error)));
  }
}
