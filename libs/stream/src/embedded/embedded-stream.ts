import { randomUUID } from 'node:crypto';
import type {
  ConsumerOptions,
  OutgoingMessage,
  Stream,
  StreamConsumer,
  StreamProducer,
  TopicDefinition,
} from '../stream.ts';
import { Wakeup } from '../wakeup.ts';
import { whenFree } from './busy.ts';
import { EmbeddedGroup } from './embedded-group.ts';
import { LogDatabase } from './log-database.ts';

/** Longest delay until what another process wrote is seen. */
const POLL_MS = 200;
const CLEAN_MS = 60_000;

export interface EmbeddedStreamOptions {
  /** A file, or `:memory:`. */
  readonly path: string;
  readonly logger?: { warn(fields: object, message: string): void };
}

/**
 * A durable log in one SQLite file with the semantics of Kafka partitions. Consumers of a group share partitions within one
 * process. Of two processes that consume with the same group, the one that came last has it; the other takes over when it goes.
 * @throws StreamUnavailableError when the file cannot be opened
 */
export async function openEmbeddedStream(options: EmbeddedStreamOptions): Promise<EmbeddedStream> {
  return new EmbeddedStream(new LogDatabase(options.path), options.logger);
}

export class EmbeddedStream implements Stream {
  readonly wakeup = new Wakeup();
  /** Tells this stream's members of a group from those of another process. */
  readonly id = randomUUID();
  private readonly groups = new Map<string, EmbeddedGroup>();
  private readonly timers: NodeJS.Timeout[];
  private cleaning = false;
  private closed = false;

  constructor(
    readonly db: LogDatabase,
    private readonly logger?: EmbeddedStreamOptions['logger'],
  ) {
    let version = db.dataVersion();
    const poll = () => {
      const now = db.dataVersion();
      if (now !== version) this.wakeup.notify();
      version = now;
      for (const group of this.groups.values()) group.check(Date.now());
    };
    this.timers = [
      setInterval(() => this.guarded('the log was not read', poll), POLL_MS),
      setInterval(() => void this.clean(Date.now()), CLEAN_MS),
    ];
    for (const timer of this.timers) timer.unref();
  }

  async ensureTopics(topics: readonly TopicDefinition[]): Promise<void> {
    for (const topic of topics) await whenFree(this.db.path, () => this.db.ensureTopic(topic));
  }

  async producer(): Promise<StreamProducer> {
    let queue: Promise<unknown> = Promise.resolve();
    return {
      // One after another, so that messages of one key keep their order when the file is locked for a moment.
      send: (topic: string, messages: readonly OutgoingMessage[]) => {
        const sent = queue.then(async () => {
          if (messages.length === 0) return;
          await whenFree(this.db.path, () => this.db.append(topic, messages));
          this.wakeup.notify();
        });
        queue = sent.catch(() => undefined);
        return sent;
      },
      close: async () => void (await queue),
    };
  }

  consumer(options: ConsumerOptions): StreamConsumer {
    const group = this.groups.get(options.group) ?? new EmbeddedGroup(this, options.group);
    this.groups.set(options.group, group);
    return group.member(options);
  }

  async offsets(topic: string): Promise<Array<{ partition: number; low: bigint; high: bigint }>> {
    return Array.from({ length: this.db.topic(topic).partitions }, (_, partition) => {
      const { low, high } = this.db.bounds(topic, partition);
      return { partition, low: BigInt(low), high: BigInt(high) };
    });
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const timer of this.timers) clearInterval(timer);
    await Promise.all([...this.groups.values()].map((group) => group.stop()));
    while (this.cleaning) await new Promise(setImmediate);
    this.db.close();
  }

  /** Retention, as it also runs every minute. */
  async clean(now: number): Promise<void> {
    if (this.cleaning || this.closed) return;
    this.cleaning = true;
    try {
      const steps = this.db.clean(now);
      while (!this.closed && !(await whenFree(this.db.path, () => steps.next())).done) await new Promise(setImmediate);
    } catch (error) {
      this.logger?.warn({ error: String(error) }, 'the embedded log was not cleaned; it is tried again');
    } finally {
      this.cleaning = false;
    }
  }

  private guarded(what: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.logger?.warn({ error: String(error) }, what);
    }
  }
}
