import { StreamUnavailableError } from '../errors.ts';
import { PartitionLoop } from '../partition-loop.ts';
import type { ConsumerOptions, StreamConsumer } from '../stream.ts';
import { Wakeup } from '../wakeup.ts';
import { bounds, Fetcher } from './fetcher.ts';
import { GroupMember, REBALANCE_MS, type Generation } from './group-member.ts';
import { errorType, recover, type Cluster } from './internals.ts';
import { PartitionBuffer } from './partition-buffer.ts';
import { settle } from './settle.ts';
import { fetchTopicIds } from './topic-ids.ts';

const HEARTBEAT_MS = 1000;
const METADATA_MS = 30_000;
/** How long a rebalance waits for handlers at work; what they still commit after it is refused. */
const REVOKE_MS = REBALANCE_MS / 3;
const LEAVE_MS = 3000;
const BACKOFF_MS = { first: 200, most: 10_000 };
const MAX_BATCH_BYTES = 4 << 20;

/**
 * A member of a group. Fetching, heartbeats and handlers run beside each other: a handler that waits for a store that is away
 * keeps its partitions, and stops neither the other partitions nor the membership.
 */
export class KafkaConsumer implements StreamConsumer {
  private readonly member: GroupMember;
  private readonly stopping = new AbortController();
  private readonly joined = Promise.withResolvers<void>();
  private readonly nudge = new Wakeup();
  private loops: PartitionLoop[] = [];
  private running: Promise<void> | null = null;
  private rejoin = false;

  constructor(
    private readonly cluster: Cluster,
    private readonly options: ConsumerOptions,
    private readonly onStopped: () => void,
  ) {
    this.member = new GroupMember(cluster, options.group, options.topics);
  }

  async start(): Promise<void> {
    try {
      await this.cluster.connect();
      await this.cluster.addMultipleTargetTopics(this.options.topics);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new StreamUnavailableError(
        `cannot consume ${this.options.topics.join(', ')}: ${message}; ensureTopics creates topics`,
        { cause },
      );
    }
    this.running ??= this.run();
    await this.joined.promise;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.joined.resolve();
    await this.running;
    this.onStopped();
  }

  private async run(): Promise<void> {
    const stop = this.stopping.signal;
    let backoff = BACKOFF_MS.first;
    while (!stop.aborted) {
      try {
        const generation = await this.member.join();
        if (await this.serve(generation, stop)) backoff = BACKOFF_MS.first;
      } catch (error) {
        // To be asked to join again while joining is how a group settles.
        const settling = ['REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'].includes(
          errorType(error),
        );
        if (!settling) this.report(error);
        await this.nudge.pause(settling ? BACKOFF_MS.first : backoff, stop);
        backoff = Math.min(backoff * 2, BACKOFF_MS.most);
        if (!settling) await recover(this.cluster, error).catch(() => undefined);
      }
    }
    await settle(this.member.leave(), LEAVE_MS);
    await settle(this.cluster.disconnect(), LEAVE_MS);
  }

  /** Consumes what the generation assigns until it is over. */
  private async serve(generation: Generation, stop: AbortSignal): Promise<boolean> {
    const [wakeup, room, over] = [new Wakeup(), new Wakeup(), new AbortController()];
    const buffers = await this.openBuffers(generation, wakeup, room);
    this.rejoin = false;
    this.loops = buffers.map((buffer) => new PartitionLoop(buffer, this.options));
    this.joined.resolve();
    const fetcher = new Fetcher(this.cluster, buffers, room, {
      maxBytesPerPartition: this.options.maxBytesPerBatch ?? MAX_BATCH_BYTES,
      onError: (error) => this.report(error),
      onTopicGone: () => {
        this.rejoin = true;
        this.nudge.notify();
      },
    });
    const fetching = fetcher.run(over.signal);
    // The membership outlives the stop until the handlers are closed: what they flush is committed under it.
    const members = this.keepMembership(generation, over.signal);
    await Promise.race([members, aborted(stop)]);
    const loops = this.loops.splice(0);
    const ended = Promise.all(loops.map((loop) => loop.end(stop.aborted)));
    if (stop.aborted) await ended;
    else await settle(ended, REVOKE_MS);
    over.abort();
    await Promise.all([members, settle(fetching, LEAVE_MS)]);
    return true;
  }

  private async openBuffers(generation: Generation, wakeup: Wakeup, room: Wakeup): Promise<PartitionBuffer[]> {
    const committed = await this.member.committed(generation);
    const ids = await fetchTopicIds(this.cluster, [...new Set(generation.assigned.map(({ topic }) => topic))]);
    return Promise.all(
      generation.assigned.map(async ({ topic, partition }) => {
        const { low, high } = await bounds(this.cluster, topic, partition);
        const stored = committed.get(`${topic}/${partition}`) ?? null;
        if (stored && stored.offset > high)
          this.report(
            new Error(`${topic}/${partition} ends at ${high}, before ${stored.offset}; read again from ${low}`),
          );
        return new PartitionBuffer({
          topic,
          partition,
          topicId: ids.get(topic)!,
          committed: stored,
          low,
          high,
          wakeup,
          room,
          commit: (offset, metadata) => this.member.commit(generation, topic, partition, offset, metadata),
        });
      }),
    );
  }

  /** Returns when the group has to be joined again, or when `over`. */
  private async keepMembership(generation: Generation, over: AbortSignal): Promise<void> {
    let checked = performance.now();
    while (!over.aborted && !this.rejoin) {
      try {
        if (!(await this.member.heartbeat(generation))) break;
        if (generation.dealt && performance.now() - checked > METADATA_MS) {
          checked = performance.now();
          if (this.hasNewPartitions(generation.dealt)) break;
        }
      } catch (error) {
        this.report(error);
        await recover(this.cluster, error).catch(() => undefined);
      }
      const wake = this.nudge.next();
      if (!this.rejoin) await wake.within(HEARTBEAT_MS, over);
    }
    for (const loop of this.loops) loop.revoke();
  }

  private hasNewPartitions(dealt: ReadonlyMap<string, number>): boolean {
    return [...dealt].some(([topic, count]) => this.cluster.findTopicPartitionMetadata(topic).length > count);
  }

  private report(error: unknown): void {
    this.options.onError?.(error instanceof Error ? error : new Error(String(error)));
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
