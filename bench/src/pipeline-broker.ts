import { join } from 'node:path';
import { openEmbeddedStream, openKafkaStream, type OutgoingMessage, type Stream } from '@perfleet/stream';
import { requireTool, startKafka } from '@perfleet/testing';
import { TOPIC } from './pipeline-publish.ts';
import { cpuOfProcess } from './processes.ts';

export const BROKERS = ['kafka', 'embedded'] as const;
export type BrokerKind = (typeof BROKERS)[number];

/** What stands between collectors and aggregator. */
export interface Broker {
  readonly kind: BrokerKind;
  readonly stream: Stream;
  /** Of the services that read it. */
  readonly env: Readonly<Record<string, string>>;
  /** What a reader has to know about it. */
  readonly note: string;
  /** Sends as collectors do. Messages of a node keep their order. */
  send(messages: readonly OutgoingMessage[]): Promise<void>;
  /** CPU seconds of its process; null where it has none of its own. */
  cpu(): number | null;
  close(): Promise<void>;
}

/** Collectors that send at the same moment. */
const SENDERS = 4;

/** @throws Error when `wanted` is none of them */
export function parseBroker(wanted: string | undefined): BrokerKind | undefined {
  const found = BROKERS.find((kind) => kind === wanted);
  if (wanted !== undefined && found === undefined)
    throw new Error(`--broker ${wanted}: expected ${BROKERS.join(' or ')}`);
  return found;
}

/**
 * @param wanted left out: a Kafka broker where one can be had, else the embedded stream, with the reason in its note
 * @throws Error when a Kafka broker is asked for and cannot be had
 */
export async function openBroker(
  wanted: BrokerKind | undefined,
  directory: string,
  progress: (line: string) => void,
): Promise<Broker> {
  if (wanted === 'embedded') return embedded(directory, 'Messages come from the embedded stream, as was asked for.');
  try {
    const java = requireTool('java');
    if (!java.available) throw new Error(java.reason);
    return await kafka();
  } catch (error) {
    if (wanted === 'kafka') throw error;
    const reason = error instanceof Error ? error.message : String(error);
    progress(`no Kafka broker, so the embedded stream is measured: ${reason}`);
    return embedded(directory, `Messages come from the embedded stream, since no Kafka broker could be had: ${reason}`);
  }
}

async function kafka(): Promise<Broker> {
  const server = await startKafka();
  const stream = await openKafkaStream({ brokers: server.brokers, clientId: 'perfleet-bench' }).catch(async (error) => {
    await server.stop();
    throw error;
  });
  const senders = await Promise.all(Array.from({ length: SENDERS }, () => stream.producer()));
  return {
    kind: 'kafka',
    stream,
    env: { PERFLEET_KAFKA_BROKERS: server.brokers.join(',') },
    note: 'Messages come from a Kafka broker (one node, KRaft, a process of its own) through kafkajs, each in a record batch of its own, compressed by zstd: a collector sends one window after another. What the broker uses while the aggregator reads stands apart and is not in the sum: the floor has no broker either.',
    async send(messages) {
      const shares: OutgoingMessage[][] = senders.map(() => []);
      const turn = new Map<string, number>();
      for (const message of messages) {
        const node = String(message.key);
        if (!turn.has(node)) turn.set(node, turn.size % SENDERS);
        shares[turn.get(node)!]!.push(message);
      }
      await Promise.all(
        shares.map(async (share, i) => {
          for (const message of share) await senders[i]!.send(TOPIC, [message]);
        }),
      );
    },
    cpu: () => cpuOfProcess(server.pid()),
    async close() {
      await stream.close();
      await server.stop();
    },
  };
}

async function embedded(directory: string, note: string): Promise<Broker> {
  const stream = await openEmbeddedStream({ path: join(directory, 'stream.db') });
  const producer = await stream.producer();
  return {
    kind: 'embedded',
    stream,
    env: {},
    note: `${note} It is read in the aggregator's process, whose CPU it is.`,
    send: (messages) => producer.send(TOPIC, messages),
    cpu: () => null,
    close: () => stream.close(),
  };
}
