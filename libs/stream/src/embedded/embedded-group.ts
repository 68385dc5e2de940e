import { PartitionLoop, type PartitionSource } from '../partition-loop.ts';
import type { ConsumerOptions, StreamConsumer } from '../stream.ts';
import { whenFree } from './busy.ts';
import type { EmbeddedStream } from './embedded-stream.ts';

const TOUCH_MS = 1000;
const GONE_MS = 10_000;

interface Member {
  readonly options: ConsumerOptions;
  loops: PartitionLoop[];
}

/**
 * This stream's members of one group. Whenever one joins or leaves, the group gets a new generation in the file and its partitions
 * are dealt out anew; commits name their generation, so late ones are refused, also those of another process.
 */
export class EmbeddedGroup {
  private readonly members = new Set<Member>();
  /** Joins, leaves and take-overs happen one after another. */
  private queue: Promise<unknown> = Promise.resolve();
  private generation = 0;
  private touched = 0;
  private changing = 0;

  constructor(
    private readonly stream: EmbeddedStream,
    private readonly name: string,
  ) {}

  member(options: ConsumerOptions): StreamConsumer {
    const member: Member = { options, loops: [] };
    return {
      start: async () => {
        for (const topic of options.topics) this.stream.db.topic(topic);
        await this.change(async () => {
          this.members.add(member);
          await this.deal();
        });
      },
      stop: () => this.change(() => this.leave(member)),
    };
  }

  stop(): Promise<void> {
    return this.change(async () => {
      for (const member of [...this.members]) await this.leave(member);
    });
  }

  /** Called often: shows that this owner is alive, or notices that another process has the group or has left it. */
  check(now: number): void {
    if (this.members.size === 0 || this.changing > 0) return;
    const row = this.stream.db.group(this.name);
    if (row?.owner === this.stream.id) {
      if (now - this.touched < TOUCH_MS) return;
      this.touched = now;
      this.stream.db.touch(this.name, this.stream.id, now);
    } else if (!row || now - row.seen > GONE_MS) {
      void this.change(() => this.deal());
    } else if ([...this.members].some((member) => member.loops.length > 0)) {
      void this.change(() => this.release());
    }
  }

  private async leave(member: Member): Promise<void> {
    if (!this.members.delete(member)) return;
    await Promise.all(member.loops.splice(0).map((loop) => loop.end(true)));
    if (this.members.size > 0) return this.deal();
    await whenFree(this.stream.db.path, () => this.stream.db.touch(this.name, this.stream.id, 0));
  }

  /** Ends every assignment as a rebalance does: what the handlers hold is stale. */
  private async release(): Promise<void> {
    await Promise.all([...this.members].flatMap(({ loops }) => loops.splice(0).map((loop) => loop.end(false))));
  }

  /** Each topic's partitions in turn among the members that read it. */
  private async deal(): Promise<void> {
    await this.release();
    const { db, id } = this.stream;
    this.touched = Date.now();
    this.generation = await whenFree(db.path, () => db.claim(this.name, id, this.touched));
    const members = [...this.members];
    for (const topic of new Set(members.flatMap(({ options }) => options.topics))) {
      const readers = members.filter(({ options }) => options.topics.includes(topic));
      for (let p = 0; p < db.topic(topic).partitions; p++) {
        const { loops, options } = readers[p % readers.length]!;
        loops.push(new PartitionLoop(this.source(options, topic, p), options));
      }
    }
  }

  private source(options: ConsumerOptions, topic: string, partition: number): PartitionSource {
    const { db, wakeup } = this.stream;
    const { group, maxBytesPerBatch = 4 << 20 } = options;
    const at = { group, generation: this.generation, topic, partition };
    const committed = db.committed(group, topic, partition);
    return {
      topic,
      partition,
      topicId: db.topic(topic).id,
      committed,
      start: committed?.offset ?? 0n,
      wakeup,
      read: (position) => db.readFrom(topic, partition, position, maxBytesPerBatch),
      commit: (offset, metadata) => whenFree(db.path, () => db.commit(at, offset, metadata)),
    };
  }

  private change(work: () => Promise<void>): Promise<void> {
    this.changing++;
    const done = this.queue.then(work).finally(() => this.changing--);
    this.queue = done.catch(() => undefined);
    return done;
  }
}
