import type {
  ConsumerOptions,
  OutgoingMessage,
  Stream,
  StreamConsumer,
  StreamProducer,
  TopicDefinition,
} from '../stream.ts';
import { LogDatabase } from './log-database.ts';
import { PartitionLoop } from './partition-loop.ts';
import { Wakeup } from './wakeup.ts';

const POLL_MS = 200;
const CLEAN_MS = 60_000;

/** Consumers of one group; their partitions are dealt out anew whenever one joins or leaves. */
interface Group {
  readonly members: Set<EmbeddedConsumer>;
  /** Joins and leaves happen one after another. */
  queue: Promise<void>;
}

/**
 * A durable log in one SQLite file with the semantics of Kafka partitions. Consumers of a group share partitions within one
 * process; another process may produce and read, but two processes must not consume with the same group.
 * @throws StreamUnavailableError when the file cannot be opened
 */
export async function openEmbeddedStream(options: {
  path: string;
  logger?: { warn(fields: object, message: string): void };
}): Promise<EmbeddedStream> {
  return new EmbeddedStream(new LogDatabase(options.path));
}

export class EmbeddedStream implements Stream {
  readonly wakeup = new Wakeup();
  private readonly groups = new Map<string, Group>();
  private readonly timers: NodeJS.Timeout[];

  constructor(readonly db: LogDatabase) {
    let version = db.dataVersion();
    this.timers = [
      setInterval(() => {
        const now = db.dataVersion();
        if (now !== version) this.wakeup.notify();
        version = now;
      }, POLL_MS),
      setInterval(() => db.clean(Date.now()), CLEAN_MS),
    ];
    for (const timer of this.timers) timer.unref();
  }

  async ensureTopics(topics: readonly TopicDefinition[]): Promise<void> {
    for (const topic of topics) this.db.ensureTopic(topic);
  }

  async producer(): Promise<StreamProducer> {
    return {
      send: async (topic: string, messages: readonly OutgoingMessage[]) => {
        if (messages.length === 0) return;
        this.db.append(topic, messages);
        this.wakeup.notify();
      },
      close: async () => undefined,
    };
  }

  consumer(options: ConsumerOptions): StreamConsumer {
    return new EmbeddedConsumer(this, options);
  }

  async offsets(topic: string): Promise<Array<{ partition: number; low: bigint; high: bigint }>> {
    return Array.from({ length: this.db.topic(topic).partitions }, (_, partition) => {
      const { low, high } = this.db.bounds(topic, partition);
      return { partition, low: BigInt(low), high: BigInt(high) };
    });
  }

  async close(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    for (const group of this.groups.values()) await Promise.all([...group.members].map((member) => member.stop()));
    this.db.close();
  }

  /** Changes a group's members, one change at a time, and deals out its partitions. */
  regroup(name: string, change: (members: Set<EmbeddedConsumer>) => Promise<void> | void): Promise<void> {
    const group = this.groups.get(name) ?? { members: new Set(), queue: Promise.resolve() };
    this.groups.set(name, group);
    group.queue = group.queue.then(async () => {
      await change(group.members);
      const members = [...group.members];
      await Promise.all(members.map((member) => member.release()));
      for (const member of members) member.assign(members);
    });
    return group.queue;
  }
}

class EmbeddedConsumer implements StreamConsumer {
  private loops: PartitionLoop[] = [];
  private stopped = false;

  constructor(
    private readonly stream: EmbeddedStream,
    readonly options: ConsumerOptions,
  ) {}

  start(): Promise<void> {
    for (const topic of this.options.topics) this.stream.db.topic(topic);
    return this.stream.regroup(this.options.group, (members) => void members.add(this));
  }

  stop(): Promise<void> {
    if (this.stopped) return Promise.resolve();
    this.stopped = true;
    return this.stream.regroup(this.options.group, async (members) => {
      members.delete(this);
      await Promise.all(this.loops.splice(0).map((loop) => loop.end(true)));
    });
  }

  /** Ends every assignment as a rebalance does: what the handlers hold is stale. */
  async release(): Promise<void> {
    await Promise.all(this.loops.splice(0).map((loop) => loop.end(false)));
  }

  /** Takes the partitions of a topic that are this member's turn among those that read the topic. */
  assign(members: readonly EmbeddedConsumer[]): void {
    for (const topic of this.options.topics) {
      const readers = members.filter((member) => member.options.topics.includes(topic));
      const turn = readers.indexOf(this);
      for (let p = turn; p < this.stream.db.topic(topic).partitions; p += readers.length) {
        this.loops.push(new PartitionLoop(this.stream.db, this.stream.wakeup, this.options, topic, p));
      }
    }
  }
}
