import type { Wakeup } from '../wakeup.ts';
import { Batch, errorType, recover, type Cluster } from './internals.ts';
import type { PartitionBuffer } from './partition-buffer.ts';

const MAX_WAIT_MS = 250;
const READ_COMMITTED = 1;
const BACKOFF_MS = { first: 100, most: 30_000 };
const LEADER_MOVED = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'REPLICA_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
]);

export interface FetcherOptions {
  readonly maxBytesPerPartition: number;
  readonly onError: (error: Error) => void;
  /** The topic is gone: its partitions have to be asked for anew. */
  readonly onTopicGone: () => void;
}

/** Fills the buffers of one generation, with one request at a time to each broker that leads some of them. */
export class Fetcher {
  private readonly busy = new Set<number>();
  private readonly running = new Set<Promise<void>>();

  constructor(
    private readonly cluster: Cluster,
    private readonly buffers: readonly PartitionBuffer[],
    private readonly room: Wakeup,
    private readonly options: FetcherOptions,
  ) {}

  /** Returns soon after `stop`, when the last answer is in. */
  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const wake = this.room.next();
      try {
        await this.cluster.refreshMetadataIfNecessary();
        for (const [nodeId, buffers] of this.wanted()) this.begin(nodeId, buffers, stop);
      } catch (error) {
        this.options.onError(asError(error));
        await this.room.pause(1000, stop);
        await recover(this.cluster, error).catch(() => undefined);
      }
      await wake.within(MAX_WAIT_MS, stop);
    }
    await Promise.allSettled(this.running);
  }

  /** Buffers with room by the broker that leads them, of brokers without a request under way. */
  private wanted(): Map<number, PartitionBuffer[]> {
    const now = performance.now();
    const byLeader = new Map<number, PartitionBuffer[]>();
    for (const buffer of this.buffers) {
      if (!buffer.hasRoom || buffer.notBefore > now) continue;
      const metadata = this.cluster.findTopicPartitionMetadata(buffer.topic);
      const leader = metadata.find(({ partitionId }) => partitionId === buffer.partition)?.leader;
      if (leader === undefined || leader < 0 || this.busy.has(leader)) continue;
      const list = byLeader.get(leader) ?? [];
      list.push(buffer);
      byLeader.set(leader, list);
    }
    return byLeader;
  }

  private begin(nodeId: number, wanted: PartitionBuffer[], stop: AbortSignal): void {
    this.busy.add(nodeId);
    const suspect = wanted.find((buffer) => buffer.alone);
    const buffers = suspect ? [suspect] : wanted;
    const work = this.fetch(nodeId, buffers, stop)
      .catch((error: unknown) => this.onFailure(buffers, error))
      .catch((error: unknown) => this.options.onError(asError(error)))
      .finally(() => {
        this.busy.delete(nodeId);
        this.running.delete(work);
        this.room.notify();
      });
    this.running.add(work);
  }

  private async fetch(nodeId: number, buffers: readonly PartitionBuffer[], stop: AbortSignal): Promise<void> {
    const topics = new Map<string, Array<{ partition: number; fetchOffset: string; maxBytes: number }>>();
    for (const { topic, partition, fetchOffset } of buffers) {
      const partitions = topics.get(topic) ?? [];
      partitions.push({ partition, fetchOffset: String(fetchOffset), maxBytes: this.options.maxBytesPerPartition });
      topics.set(topic, partitions);
    }
    const asked = performance.now();
    const broker = await this.cluster.findBroker({ nodeId });
    const { responses } = await broker.fetch({
      maxWaitTime: MAX_WAIT_MS,
      minBytes: 1,
      maxBytes: 8 * this.options.maxBytesPerPartition,
      isolationLevel: READ_COMMITTED,
      topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })),
    });
    if (stop.aborted) return;
    let news = false;
    for (const { topicName, partitions } of responses) {
      for (const data of partitions) {
        const buffer = buffers.find((b) => b.topic === topicName && b.partition === data.partition);
        if (buffer?.push(new Batch(topicName, String(buffer.fetchOffset), data))) news = true;
      }
    }
    for (const buffer of buffers) {
      buffer.alone = false;
      buffer.failures = 0;
    }
    // Compaction leaves batches without records behind, which the broker gives at once and which move nothing.
    if (!news && performance.now() - asked < MAX_WAIT_MS / 4) await this.room.pause(MAX_WAIT_MS, stop);
  }

  private async onFailure(buffers: readonly PartitionBuffer[], error: unknown): Promise<void> {
    const type = errorType(error);
    if (type === 'OFFSET_OUT_OF_RANGE') return this.onOutOfRange(buffers, error);
    if (type === 'UNKNOWN_TOPIC_OR_PARTITION') {
      this.wait(buffers);
      this.options.onError(asError(error));
      await this.cluster.refreshMetadata();
      return this.options.onTopicGone();
    }
    if (LEADER_MOVED.has(type)) {
      this.wait(buffers);
      return this.cluster.refreshMetadata();
    }
    if (isDecoding(error) && buffers.length > 1) {
      // One of them cannot be decoded, and the error does not say which: each is asked for by itself once.
      for (const buffer of buffers) buffer.alone = true;
      return;
    }
    this.wait(buffers);
    const [first] = buffers;
    const at = isDecoding(error) && first ? `${first.topic}/${first.partition} at offset ${first.fetchOffset}: ` : '';
    this.options.onError(new Error(`cannot fetch ${at}${asError(error).message}`, { cause: error }));
    if (!isDecoding(error)) await recover(this.cluster, error);
  }

  /** kafkajs would begin at the earliest offset again and say nothing. */
  private async onOutOfRange(buffers: readonly PartitionBuffer[], error: unknown): Promise<void> {
    const { topic, partition } = error as { topic: string; partition: number };
    const buffer = buffers.find((b) => b.topic === topic && b.partition === partition);
    if (!buffer) return;
    const { low, high } = await bounds(this.cluster, topic, partition);
    if (buffer.fetchOffset > high)
      this.options.onError(
        new Error(`${topic}/${partition} ends at ${high}, before ${buffer.fetchOffset}; read again from ${low}`),
      );
    if (buffer.fetchOffset < low || buffer.fetchOffset > high) buffer.moveTo(low, high);
  }

  private wait(buffers: readonly PartitionBuffer[]): void {
    for (const buffer of buffers) {
      const ms = Math.min(BACKOFF_MS.first * 2 ** buffer.failures++, BACKOFF_MS.most);
      buffer.notBefore = performance.now() + ms;
    }
  }
}

/** First and next offset of a partition. */
export async function bounds(
  cluster: Cluster,
  topic: string,
  partition: number,
): Promise<{ low: bigint; high: bigint }> {
  const ask = async (fromBeginning: boolean) => {
    const [answer] = await cluster.fetchTopicsOffset([{ topic, fromBeginning, partitions: [{ partition }] }]);
    const offset = answer?.partitions[0]?.offset;
    if (offset === undefined) throw new Error(`no offsets of ${topic}/${partition}: it has no leader`);
    return BigInt(offset);
  };
  const [low, high] = await Promise.all([ask(true), ask(false)]);
  return { low, high };
}

/** Everything that is neither the connection nor the protocol: an unknown codec, broken compression, a malformed record. */
function isDecoding(error: unknown): boolean {
  const { name = '', code = '' } = error as { name?: string; code?: string };
  if (/^E[A-Z]+$/.test(code)) return false;
  return !/^KafkaJS(?!NotImplemented|InvalidVarInt|InvalidLong|Partial|UnsupportedMagic)/.test(name);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
