import type { Admin, Kafka, Message, Producer } from 'kafkajs';
import { StreamUnavailableError } from '../errors.ts';
import { partitionOf } from '../partitioner.ts';
import type { OutgoingMessage, StreamProducer } from '../stream.ts';
import { CompressionTypes } from './kafkajs.ts';
import { settle } from './settle.ts';

/** A broker takes record batches up to 1 MiB by default (message.max.bytes); a batch holds what one request has for a partition. */
const MAX_BATCH_BYTES = 900_000;
const PARTITIONS_MS = 60_000;
const TIMEOUT_MS = 10_000;
const CLOSE_MS = 500;

/**
 * Idempotent, acks = all, one request at a time. After a failure whose outcome is unknown the producer id is given up: kafkajs would
 * use the same sequence numbers for the next messages, and the broker would take them for the ones that it has and drop them.
 */
export class KafkaProducer implements StreamProducer {
  private producer: Promise<Producer> | null = null;
  private queue: Promise<unknown> = Promise.resolve();
  private readonly partitions = new Map<string, { count: number; until: number }>();
  private turn = 0;
  private closed = false;

  constructor(
    private readonly kafka: Kafka,
    private readonly admin: Admin,
    private readonly brokers: string,
  ) {}

  send(topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    const sent = this.queue.then(() => this.sendAll(topic, messages));
    this.queue = sent.catch(() => undefined);
    return sent;
  }

  /** Waits for what is being sent, but not for a broker that is away: whoever sent it hears that it was not taken. */
  async close(): Promise<void> {
    await settle(this.queue, CLOSE_MS);
    this.closed = true;
    await settle(this.discard(), CLOSE_MS);
  }

  private async sendAll(topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    if (messages.length === 0) return;
    try {
      if (this.closed) throw new Error('the producer is closed');
      const count = await this.partitionCount(topic);
      for (const round of rounds(messages.map((message) => this.place(message, count)))) {
        const producer = await (this.producer ??= this.connect());
        await producer.send({
          topic,
          messages: round,
          acks: -1,
          compression: CompressionTypes.ZSTD,
          timeout: TIMEOUT_MS,
        });
      }
    } catch (cause) {
      await this.discard();
      this.partitions.delete(topic);
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new StreamUnavailableError(`Kafka at ${this.brokers} did not take messages for ${topic}: ${message}`, {
        cause,
      });
    }
  }

  /** The partition is fixed before the first attempt, so that another attempt cannot go elsewhere. */
  private place({ key, value, headers }: OutgoingMessage, partitions: number): Message & { partition: number } {
    const bytes = key === null ? null : Buffer.from(key);
    const partition = bytes === null ? this.turn++ % partitions : partitionOf(bytes, partitions);
    return { partition, key: bytes, value: value && asBuffer(value), headers: { ...headers } };
  }

  private async partitionCount(topic: string): Promise<number> {
    const known = this.partitions.get(topic);
    if (known && known.until > performance.now()) return known.count;
    const { topics } = await this.admin.fetchTopicMetadata({ topics: [topic] });
    const count = topics[0]?.partitions.length ?? 0;
    if (count === 0) throw new Error('the topic has no partitions');
    this.partitions.set(topic, { count, until: performance.now() + PARTITIONS_MS });
    return count;
  }

  private async connect(): Promise<Producer> {
    const producer = this.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      retry: { retries: 3, initialRetryTime: 100, maxRetryTime: 2000 },
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition!,
    });
    await producer.connect();
    return producer;
  }

  private async discard(): Promise<void> {
    const producer = this.producer;
    this.producer = null;
    if (producer) await producer.then((p) => p.disconnect()).catch(() => undefined);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Splits so that no partition gets more than one record batch may hold; each round is one request. Keeps the order. */
export function rounds<T extends Pick<Message, 'key' | 'value'> & { partition: number }>(
  messages: readonly T[],
): T[][] {
  const result: T[][] = [];
  const state = new Map<number, { round: number; bytes: number }>();
  for (const message of messages) {
    const bytes = (message.value?.length ?? 0) + (message.key?.length ?? 0) + 512;
    const at = state.get(message.partition) ?? { round: 0, bytes: 0 };
    if (at.bytes > 0 && at.bytes + bytes > MAX_BATCH_BYTES) {
      at.round++;
      at.bytes = 0;
    }
    at.bytes += bytes;
    state.set(message.partition, at);
    (result[at.round] ??= []).push(message);
  }
  return result;
}
