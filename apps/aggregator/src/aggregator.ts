import type { Store } from '@perfleet/clickhouse';
import { TOPICS, TOPIC_SPECS } from '@perfleet/messages';
import type { Logger } from '@perfleet/observability';
import type { PartitionAssignment, PartitionHandler, Stream, StreamConsumer, StreamProducer } from '@perfleet/stream';
import { BlockHandler, type BlockLimits } from './block-handler.ts';
import { profilesSink, WrittenIds } from './profiles-sink.ts';
import { eventsSink, symbolsSink, type SinkParts } from './small-sinks.ts';
import { emptyStats, type AggregatorStats } from './stats.ts';

export const AGGREGATOR_GROUP = 'perfleet-aggregator';

export interface AggregatorOptions {
  readonly stream: Stream;
  readonly store: Store;
  readonly topicPrefix: string;
  readonly logger: Logger;
  /** Cluster of samples and events that do not name one. */
  readonly cluster?: string;
  /** A block is written when it is this old … */
  readonly flushMs?: number;
  /** … or has this many rows. */
  readonly maxRows?: number;
}

export interface Aggregator {
  start(): Promise<void>;
  /** Writes what is held back, then leaves the group. */
  stop(): Promise<void>;
  stats(): AggregatorStats;
}

const CONSUMED = ['profiles', 'symbols', 'events'] as const;
const MAX_BLOCK_BYTES = 64 << 20;

/** The only writer of ClickHouse. While the store is away consumption stands still and nothing is dropped. */
export function createAggregator(options: AggregatorOptions): Aggregator {
  const { stream, store, topicPrefix, logger, cluster = '', flushMs = 1000, maxRows = 200_000 } = options;
  const stats = emptyStats();
  const limits: BlockLimits = { flushMs, maxRows, maxBytes: MAX_BLOCK_BYTES };
  const topic = (name: keyof typeof TOPICS) => `${topicPrefix}${TOPICS[name]}`;
  let producer: StreamProducer | null = null;
  let consumer: StreamConsumer | null = null;

  return {
    async start() {
      await stream.ensureTopics(
        [...CONSUMED, 'dead' as const].map((name) => ({ name: topic(name), ...TOPIC_SPECS[name] })),
      );
      producer = await stream.producer();
      const parts: SinkParts = { store, producer, deadTopic: topic('dead'), cluster, stats };
      const sinks = {
        [topic('profiles')]: profilesSink(parts, new WrittenIds()),
        [topic('symbols')]: symbolsSink(parts),
        [topic('events')]: eventsSink(parts),
      };
      const open = (assignment: PartitionAssignment): PartitionHandler => {
        const sink = sinks[assignment.topic];
        if (!sink) throw new Error(`topic ${assignment.topic} was not asked for`);
        return new BlockHandler<never>(assignment, sink as never, limits, assignment.topic === topic('symbols'));
      };
      consumer = stream.consumer({
        group: AGGREGATOR_GROUP,
        topics: CONSUMED.map(topic),
        idleMs: flushMs,
        open,
        onSkipped(name, partition, from, to) {
          stats.skipped += Number(to - from);
          logger.error(
            { topic: name, partition, from: String(from), to: String(to) },
            'messages were removed before they were read',
          );
        },
        onError(error) {
          stats.errors++;
          stats.lastError = error.message;
          logger.warn({ error: error.message }, 'a block was not written; it is tried again');
        },
      });
      await consumer.start();
      logger.info({ group: AGGREGATOR_GROUP }, 'aggregator is running');
    },
    async stop() {
      await consumer?.stop();
      await producer?.close();
      consumer = null;
      producer = null;
    },
    stats: () => ({ ...stats }),
  };
}
