import 'reflect-metadata';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { oneShard, type Shards, type Store } from '@perfleet/clickhouse';
import { ProfileMapper } from '@perfleet/mapping';
import { TOPICS, TOPIC_SPECS } from '@perfleet/messages';
import type { Logger } from '@perfleet/observability';
import type { Stream, StreamProducer } from '@perfleet/stream';
import { StreamServer } from '@perfleet/stream/nest';
import { alertsSink } from './alerts-sink.ts';
import { AGGREGATOR_GROUP, type Sinks } from './aggregator.controller.ts';
import { AggregatorModule } from './aggregator.module.ts';
import type { BlockLimits } from './block-handler.ts';
import { profilesSink } from './profiles-sink.ts';
import { eventsSink, symbolsSink, type SinkParts } from './small-sinks.ts';
import { emptyStats, type AggregatorStats } from './stats.ts';

export interface AggregatorOptions {
  readonly stream: Stream;
  readonly store: Store;
  /** Where the samples of a partition go; left out = to the store. Whatever is on every server of a cluster goes through the store. */
  readonly shards?: Shards;
  readonly topicPrefix: string;
  readonly logger: Logger;
  /** Cluster of samples and events that do not name one. */
  readonly cluster?: string;
  /** A block is written when nothing came for a second, when it is this old … */
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

/** Of messages. A process may have all 16 partitions, each with a block that waits for a slow store, within 512 MB (bench/RESULTS.md, pipeline). */
const MAX_BLOCK_BYTES = 32 << 20;
/** Of messages that are read at once of each partition. */
const MAX_BATCH_BYTES = 1 << 20;
/** Under load a block waits for more: each costs the store five inserts whatever is in it. What stands still waits no longer than this. */
const IDLE_MS = 1000;

/** The only writer of ClickHouse, a Nest microservice over the stream. While the store is away consumption stands still and nothing is dropped. */
export function createAggregator(options: AggregatorOptions): Aggregator {
  const { stream, store, topicPrefix, logger, cluster = '', flushMs = 6000, maxRows = 200_000 } = options;
  const shards = options.shards ?? oneShard(store);
  const stats = emptyStats();
  const limits: BlockLimits = { flushMs, maxRows, maxBytes: MAX_BLOCK_BYTES };
  const topic = (name: keyof typeof TOPICS) => `${topicPrefix}${TOPICS[name]}`;
  let producer: StreamProducer | null = null;
  let app: INestMicroservice | null = null;

  const server = () =>
    new StreamServer(stream, {
      prefix: topicPrefix,
      idleMs: Math.min(flushMs, IDLE_MS),
      maxBytesPerBatch: MAX_BATCH_BYTES,
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

  return {
    async start() {
      const names = ['profiles', 'symbols', 'events', 'alerts', 'dead'] as const;
      await stream.ensureTopics(names.map((name) => ({ name: topic(name), ...TOPIC_SPECS[name] })));
      producer = await stream.producer();
      const parts: SinkParts = { store, producer, deadTopic: topic('dead'), cluster, stats };
      const sinks: Sinks = {
        profiles: profilesSink({ ...parts, shards }, new ProfileMapper(cluster)),
        symbols: symbolsSink(parts),
        events: eventsSink(parts),
        alerts: alertsSink(parts),
        shardOf: (partition) => shards.shardOf(partition),
        onLag(partition, messages) {
          if (messages === null) delete stats.lag[partition];
          else stats.lag[partition] = messages;
        },
      };
      const module = AggregatorModule.register(sinks, limits);
      app = await NestFactory.createMicroservice(module, { strategy: server(), logger: false, abortOnError: false });
      await app.listen();
      logger.info({ group: topicPrefix + AGGREGATOR_GROUP }, 'aggregator is running');
    },
    async stop() {
      await app?.close();
      await producer?.close();
      app = null;
      producer = null;
    },
    stats: () => ({ ...stats, lag: { ...stats.lag } }),
  };
}
