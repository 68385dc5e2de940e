import { addressesSchema, decodeProfileHeaders, parseJson, TOPICS, type AddressesMessage } from '@perfleet/messages';
import type { Logger } from '@perfleet/observability';
import { decodeProfiles, OtlpDecodeError } from '@perfleet/otlp';
import type { PartitionAssignment, PartitionHandler, Stream, StreamConsumer, StreamProducer } from '@perfleet/stream';
import type { Symbolizer } from '@perfleet/symbols';
import { BoundedSet } from './bounded-set.ts';
import { Pages } from './pages.ts';
import { scanAddresses } from './scan-addresses.ts';

export interface SymbolizerServiceOptions {
  readonly stream: Stream;
  readonly topicPrefix: string;
  /** Name of this instance, for logs. */
  readonly instance: string;
  readonly symbols: Symbolizer;
  readonly logger: Logger;
  /** How often binaries that were not there are looked for again (60 s). */
  readonly retryMs?: number;
}

export interface SymbolizerStats {
  readonly forwarded: number;
  readonly resolved: number;
  readonly unresolved: number;
  readonly skippedMessages: number;
}

const SEEN_ADDRESSES = 2_000_000;
const MAX_RETRIES = 10_000;

/**
 * Two stages. Scan: every instance reads a share of `profiles` and forwards addresses it has not seen, keyed by binary. Resolve:
 * the instance that owns a binary's partition resolves each address once and publishes whole pages on `symbols`.
 */
export function createSymbolizerService(options: SymbolizerServiceOptions) {
  const { stream, symbols, logger } = options;
  const topic = (name: keyof typeof TOPICS) => options.topicPrefix + TOPICS[name];
  const seen = new BoundedSet(SEEN_ADDRESSES);
  const pages = new Pages();
  const retries = new Map<string, AddressesMessage>();
  const stats = { forwarded: 0, resolved: 0, unresolved: 0, skippedMessages: 0 };
  let producer: StreamProducer;
  let consumers: StreamConsumer[] = [];
  let timer: NodeJS.Timeout | undefined;
  let retrying: Promise<void> = Promise.resolve();

  const scan = (assignment: PartitionAssignment): PartitionHandler => ({
    onBatch: async ({ messages }) => {
      const outgoing: AddressesMessage[] = [];
      const fresh = new Set<string>();
      const known = (key: string) => seen.has(key) || fresh.has(key) || !fresh.add(key);
      for (const message of messages) {
        const headers = decodeProfileHeaders(message.headers);
        try {
          if (message.value)
            outgoing.push(...scanAddresses(decodeProfiles(message.value), headers.ok ? headers.value.node : '', known));
        } catch (error) {
          // The aggregator writes such messages to `dead`; here they only count.
          if (!(error instanceof OtlpDecodeError)) throw error;
          stats.skippedMessages++;
        }
      }
      await producer.send(
        topic('addresses'),
        outgoing.map((m) => ({ key: m.binaryId, value: Buffer.from(JSON.stringify(m)) })),
      );
      // Only now: a send that failed is done again with the same addresses.
      for (const key of fresh) seen.add(key);
      stats.forwarded += fresh.size;
      await assignment.commit(messages.at(-1)!.offset + 1n);
    },
  });

  const resolve = async (message: AddressesMessage): Promise<void> => {
    const wanted = message.addresses.filter(
      (address) => (pages.get(message.binaryId, message.kind, address)?.quality ?? 0) === 0,
    );
    if (wanted.length === 0) return;
    const answers = await symbols.resolve(
      message,
      wanted.map((address) => BigInt(`0x${address}`)),
    );
    const changed = new Set<string>();
    const missing: string[] = [];
    answers.forEach(({ quality, chain, reason }, i) => {
      const address = wanted[i]!;
      const known = pages.get(message.binaryId, message.kind, address);
      if (quality === 0) {
        stats.unresolved += known ? 0 : 1;
        if (reason !== 'no symbol') missing.push(address);
      } else stats.resolved++;
      if (known && known.quality >= quality) return;
      const bounded = chain
        .slice(0, 256)
        .map(([name, file, line]) => [name.slice(0, 16_384), file.slice(0, 16_384), line] as [string, string, number]);
      changed.add(
        pages.put(message.binaryId, message.kind, { address, quality, chain: bounded, ...(reason ? { reason } : {}) }),
      );
    });
    remember(message, missing);
    await producer.send(
      topic('symbols'),
      [...changed].map((key) => ({ key, value: Buffer.from(JSON.stringify(pages.message(key))) })),
    );
  };

  /** Keeps what waits for its binary, a bounded number of binaries. */
  const remember = (message: AddressesMessage, missing: readonly string[]): void => {
    const key = `${message.kind}\0${message.binaryId}`;
    if (missing.length === 0) return void retries.delete(key);
    const addresses = new Set([...(retries.get(key)?.addresses ?? []), ...missing]);
    retries.set(key, { ...message, addresses: [...addresses].slice(0, 65_536) });
    for (const oldest of retries.keys()) {
      if (retries.size <= MAX_RETRIES) break;
      retries.delete(oldest);
    }
  };

  const resolver = (assignment: PartitionAssignment): PartitionHandler => ({
    onBatch: async ({ messages, heartbeat }) => {
      for (const message of messages) {
        const parsed = parseJson(addressesSchema, message.value);
        if (parsed.ok) await resolve(parsed.value);
        else stats.skippedMessages++;
        await heartbeat();
      }
      await assignment.commit(messages.at(-1)!.offset + 1n);
    },
  });

  return {
    async start(): Promise<void> {
      producer = await stream.producer();
      const onError = (error: Error) => logger.warn({ instance: options.instance, error: error.message }, 'stream');
      const onSkipped = (name: string, partition: number, from: bigint, to: bigint) =>
        logger.warn(
          { topic: name, partition, from: String(from), to: String(to) },
          'retention removed messages before they were read',
        );
      consumers = [
        stream.consumer({
          group: `${options.topicPrefix}perfleet-symbolizer-scan`,
          topics: [topic('profiles')],
          open: scan,
          onError,
          onSkipped,
        }),
        stream.consumer({
          group: `${options.topicPrefix}perfleet-symbolizer-resolve`,
          topics: [topic('addresses')],
          open: resolver,
          onError,
          onSkipped,
        }),
      ];
      for (const consumer of consumers) await consumer.start();
      timer = setInterval(() => {
        retrying = retrying
          .then(async () => {
            for (const message of [...retries.values()]) await resolve(message);
          })
          .catch((error: unknown) => onError(error as Error));
      }, options.retryMs ?? 60_000);
    },
    async stop(): Promise<void> {
      clearInterval(timer);
      await Promise.all(consumers.map((consumer) => consumer.stop()));
      await retrying;
      await producer?.close();
    },
    stats: (): SymbolizerStats => ({ ...stats }),
  };
}
