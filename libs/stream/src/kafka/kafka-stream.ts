import type { ConnectionOptions } from 'node:tls';
import type { Admin, Kafka as KafkaClient, SASLOptions } from 'kafkajs';
import { StreamUnavailableError } from '../errors.ts';
import type { ConsumerOptions, Stream, StreamConsumer, StreamProducer, TopicDefinition } from '../stream.ts';
import { registerCodecs } from './codecs.ts';
import { openCluster } from './internals.ts';
import { KafkaConsumer } from './kafka-consumer.ts';
import { KafkaProducer } from './kafka-producer.ts';
import { ConfigResourceTypes, Kafka, logLevel } from './kafkajs.ts';
import { topicOffsets, type PartitionOffsets } from './topic-offsets.ts';

export interface KafkaStreamOptions {
  /** `host:port` of some brokers; the others are learnt from them. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl?: boolean | ConnectionOptions;
  readonly sasl?: SASLOptions;
  /** Copies of each partition of the topics that are created. Default: 3 where the cluster has as many brokers, else 1. */
  readonly replication?: number;
  readonly logger?: { warn(fields: object, message: string): void };
}

/**
 * Kafka 3.5 – 4.x. Later losses of the brokers are waited out.
 * @throws StreamUnavailableError when no broker answers
 */
export async function openKafkaStream(options: KafkaStreamOptions): Promise<KafkaStream> {
  registerCodecs();
  const kafka = new Kafka({
    clientId: options.clientId,
    brokers: [...options.brokers],
    ssl: options.ssl,
    sasl: options.sasl,
    connectionTimeout: 3000,
    requestTimeout: 10_000,
    retry: { retries: 3, initialRetryTime: 100, maxRetryTime: 2000 },
    // What matters comes back as an error; kafkajs logs each attempt besides.
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
  } catch (cause) {
    await admin.disconnect().catch(() => undefined);
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new StreamUnavailableError(
      `cannot reach Kafka at ${options.brokers.join(', ')}: ${message}; check that the addresses are right, that a broker listens there, ` +
        'and that TLS and SASL are set as the listener wants them',
      { cause },
    );
  }
  return new KafkaStream(kafka, admin, options);
}

export class KafkaStream implements Stream {
  private readonly consumers = new Set<KafkaConsumer>();
  private readonly producers = new Set<KafkaProducer>();

  constructor(
    private readonly kafka: KafkaClient,
    readonly admin: Admin,
    private readonly options: KafkaStreamOptions,
  ) {}

  /**
   * Creates what is missing. What exists is the operator's: a setting that differs is a warning.
   * @throws StreamUnavailableError that names each topic that could not be created
   */
  async ensureTopics(topics: readonly TopicDefinition[]): Promise<void> {
    const existing = new Set(await this.admin.listTopics());
    const missing = topics.filter(({ name }) => !existing.has(name));
    if (missing.length > 0) {
      const brokers = (await this.admin.describeCluster()).brokers.length;
      const copies = this.options.replication ?? (brokers >= 3 ? 3 : 1);
      await this.create(missing, copies);
    }
    await this.warnOfDifferences(topics.filter(({ name }) => existing.has(name)));
  }

  async producer(): Promise<StreamProducer> {
    const producer = new KafkaProducer(this.kafka, this.admin, this.options.brokers.join(', '));
    this.producers.add(producer);
    return producer;
  }

  consumer(options: ConsumerOptions): StreamConsumer {
    const consumer = new KafkaConsumer(openCluster(this.kafka, options.group), options, () =>
      this.consumers.delete(consumer),
    );
    this.consumers.add(consumer);
    return consumer;
  }

  offsets(topic: string): Promise<PartitionOffsets[]> {
    return topicOffsets(this.kafka, this.admin, topic);
  }

  async close(): Promise<void> {
    await Promise.all([...this.consumers].map((consumer) => consumer.stop()));
    await Promise.all([...this.producers].map((producer) => producer.close()));
    await this.admin.disconnect();
  }

  private async create(topics: readonly TopicDefinition[], copies: number): Promise<void> {
    try {
      await this.admin.createTopics({
        waitForLeaders: true,
        topics: topics.map((topic) => ({
          topic: topic.name,
          numPartitions: topic.partitions,
          replicationFactor: copies,
          configEntries: Object.entries(settings(topic, copies)).map(([name, value]) => ({ name, value })),
        })),
      });
    } catch (cause) {
      // Another service that starts at the same moment may have made some of them.
      const { errors } = cause as { errors?: TopicError[] };
      const real = (errors ?? [cause as TopicError]).filter(({ type }) => type !== 'TOPIC_ALREADY_EXISTS');
      if (real.length === 0) return;
      const why = real.map(({ topic = '', message }) => `${topic} (${message})`).join(', ');
      throw new StreamUnavailableError(
        `Kafka did not create topics with ${copies} replicas: ${why}; create them by hand, allow this user to, or ask for fewer replicas`,
        { cause },
      );
    }
  }

  private async warnOfDifferences(topics: readonly TopicDefinition[]): Promise<void> {
    if (topics.length === 0 || !this.options.logger) return;
    try {
      const { resources } = await this.admin.describeConfigs({
        includeSynonyms: false,
        resources: topics.map(({ name }) => ({ type: ConfigResourceTypes.TOPIC, name })),
      });
      for (const topic of topics) {
        const found = resources.find(({ resourceName }) => resourceName === topic.name)?.configEntries ?? [];
        for (const name of ['message.timestamp.type', 'cleanup.policy']) {
          const wanted = settings(topic, 1)[name];
          const value = found.find(({ configName }) => configName === name)?.configValue;
          if (value !== undefined && value !== wanted)
            this.options.logger.warn(
              { topic: topic.name, setting: name, value, wanted },
              'the topic exists with another setting; change it with kafka-configs',
            );
        }
      }
    } catch (error) {
      // Not being allowed to look is no reason not to run.
      this.options.logger.warn({ error: String(error) }, 'the settings of the topics could not be read');
    }
  }
}

interface TopicError extends Error {
  readonly type?: string;
  readonly topic?: string;
}

function settings(topic: TopicDefinition, copies: number): Record<string, string> {
  return {
    'cleanup.policy': topic.compacted ? 'compact' : 'delete',
    ...(topic.compacted ? {} : { 'retention.ms': String(topic.retentionMs) }),
    'message.timestamp.type': 'LogAppendTime',
    'min.insync.replicas': String(copies >= 3 ? 2 : 1),
  };
}
