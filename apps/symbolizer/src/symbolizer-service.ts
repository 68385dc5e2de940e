import { TOPICS, TOPIC_SPECS } from '@perfleet/messages';
import type { Logger } from '@perfleet/observability';
import type { PartitionAssignment, PartitionHandler, Stream, StreamConsumer, StreamProducer } from '@perfleet/stream';
import type { Symbolizer } from '@perfleet/symbols';
import { mergeByBinary, Resolver } from './resolver.ts';
import { Scanner } from './scanner.ts';

export const SCAN_GROUP = 'perfleet-symbolizer-scan';
export const RESOLVE_GROUP = 'perfleet-symbolizer-resolve';

export interface SymbolizerServiceOptions {
  readonly stream: Stream;
  readonly topicPrefix: string;
  /** Name of this instance: the node's name where it runs beside a collector. */
  readonly instance: string;
  readonly symbols: Symbolizer;
  readonly logger: Logger;
  /** How often binaries that were not there are looked for again (60 s). */
  readonly retryMs?: number;
}

export interface SymbolizerStats {
  /** Addresses forwarded to their binary's owner. */
  readonly forwarded: number;
  readonly resolved: number;
  readonly unresolved: number;
  /** Messages that could not be decoded. */
  readonly skippedMessages: number;
  /** Offsets that retention removed before they were read. */
  readonly skippedOffsets: number;
  readonly errors: number;
}

export interface SymbolizerService {
  start(): Promise<void>;
  /** Gives up what is being resolved: it is not committed, so the next owner resolves it. */
  stop(): Promise<void>;
  stats(): SymbolizerStats;
}

const HEARTBEAT_MS = 3_000;

/**
 * Two stages. Scan: every instance reads a share of `profiles` and forwards addresses it has not seen, keyed by binary. Resolve:
 * the instance that owns a binary's partition resolves each address once and publishes whole pages on `symbols`.
 */
export function createSymbolizerService(options: SymbolizerServiceOptions): SymbolizerService {
  const { stream, symbols, logger, instance } = options;
  const topic = (name: keyof typeof TOPICS) => options.topicPrefix + TOPICS[name];
  const stats = { forwarded: 0, resolved: 0, unresolved: 0, skippedMessages: 0, skippedOffsets: 0, errors: 0 };
  const resolvers = new Set<Resolver>();
  let producer: StreamProducer | null = null;
  let consumers: StreamConsumer[] = [];
  let timer: NodeJS.Timeout | undefined;
  let retrying: Promise<void> = Promise.resolve();
  let stopping = new AbortController();

  const publishTo = (name: keyof typeof TOPICS) => async (messages: Parameters<StreamProducer['send']>[1]) => {
    if (!producer) throw new Error('the symbolizer is not running');
    await producer.send(topic(name), messages);
  };
  const scanner = new Scanner({ publish: publishTo('addresses'), stats });

  const scanHandler = (assignment: PartitionAssignment): PartitionHandler => ({
    async onBatch({ messages }) {
      await scanner.scan(messages);
      await assignment.commit(messages.at(-1)!.offset + 1n);
    },
  });

  const resolveHandler = (assignment: PartitionAssignment): PartitionHandler => {
    const resolver = new Resolver({ symbols, node: instance, publish: publishTo('symbols'), stats });
    resolvers.add(resolver);
    assignment.signal.addEventListener('abort', () => resolver.close());
    return {
      async onBatch({ messages, heartbeat }) {
        let invalid = 0;
        for (const wanted of mergeByBinary(messages, () => invalid++)) {
          await whileBeating(heartbeat, unlessAborted(stopping.signal, resolver.resolve(wanted)));
        }
        await assignment.commit(messages.at(-1)!.offset + 1n);
        stats.skippedMessages += invalid;
      },
      async onClose() {
        resolver.close();
        resolvers.delete(resolver);
      },
    };
  };

  const onError = (error: Error) => {
    if (stopping.signal.aborted) return;
    stats.errors++;
    logger.warn({ instance, error: error.message }, 'addresses were not resolved; they are tried again');
  };
  const onSkipped = (name: string, partition: number, from: bigint, to: bigint) => {
    stats.skippedOffsets += Number(to - from);
    const range = { topic: name, partition, from: String(from), to: String(to) };
    logger.warn(range, 'messages were removed before they were read');
  };
  const retry = async () => {
    for (const resolver of resolvers) await unlessAborted(stopping.signal, resolver.retry());
  };

  return {
    async start() {
      stopping = new AbortController();
      const names = ['profiles', 'addresses', 'symbols'] as const;
      await stream.ensureTopics(names.map((name) => ({ name: topic(name), ...TOPIC_SPECS[name] })));
      producer = await stream.producer();
      const common = { onError, onSkipped };
      consumers = [
        stream.consumer({
          group: options.topicPrefix + SCAN_GROUP,
          topics: [topic('profiles')],
          open: scanHandler,
          ...common,
        }),
        stream.consumer({
          group: options.topicPrefix + RESOLVE_GROUP,
          topics: [topic('addresses')],
          open: resolveHandler,
          ...common,
        }),
      ];
      for (const consumer of consumers) await consumer.start();
      // One round at a time: the next one starts when the interval is over and the last round is done.
      let busy = false;
      timer = setInterval(() => {
        if (busy) return;
        busy = true;
        retrying = retry()
          .catch(onError)
          .finally(() => (busy = false));
      }, options.retryMs ?? 60_000);
      logger.info({ instance }, 'symbolizer is running');
    },
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await Promise.all(consumers.map((consumer) => consumer.stop()));
      await retrying;
      consumers = [];
      await producer?.close();
      producer = null;
    },
    stats: () => ({ ...stats }),
  };
}

/** Keeps the group's membership while `work` runs: a conversion takes longer than a session. */
async function whileBeating<T>(heartbeat: () => Promise<void>, work: Promise<T>): Promise<T> {
  // A heartbeat that fails shows as an assignment that ends.
  const timer = setInterval(() => void heartbeat().catch(() => undefined), HEARTBEAT_MS);
  try {
    const result = await work;
    await heartbeat();
    return result;
  } finally {
    clearInterval(timer);
  }
}

/** Rejects at once when `signal` is aborted; `work` then ends unheard. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new Error('the symbolizer is stopping'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
