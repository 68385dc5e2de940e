import 'reflect-metadata';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TOPICS, TOPIC_SPECS } from '@perfleet/messages';
import type { Logger } from '@perfleet/observability';
import type { Stream, StreamProducer } from '@perfleet/stream';
import { StreamServer } from '@perfleet/stream/nest';
import type { ReasonClass, Symbolizer } from '@perfleet/symbols';
import { Replay } from './replay.ts';
import { Resolvers } from './resolvers.ts';
import { Scanner } from './scanner.ts';
import { SymbolizerModule } from './symbolizer.module.ts';
import { Trouble } from './trouble.ts';
import type { UploadStats } from './uploads/upload-stats.ts';
import { Uploads, type UploadsOptions } from './uploads/uploads.ts';

export interface SymbolizerServiceOptions {
  readonly stream: Stream;
  readonly topicPrefix: string;
  /** Name of this instance: the node's name where it runs beside a collector. */
  readonly instance: string;
  readonly symbols: Symbolizer;
  readonly logger: Logger;
  /** How often binaries that were not there are looked for again (60 s). */
  readonly retryMs?: number;
  /** Receives binaries from nodes; without it none are received. */
  readonly uploads?: UploadsOptions;
}

export interface SymbolizerStats {
  /** Addresses forwarded to their binary's owner. */
  readonly forwarded: number;
  readonly resolved: number;
  readonly unresolved: number;
  /** Reasons that were published, by class. */
  readonly reasons: Partial<Record<ReasonClass, number>>;
  /** Messages that could not be decoded. */
  readonly skippedMessages: number;
  /** Offsets that retention removed before they were read. */
  readonly skippedOffsets: number;
  /** Attempts that failed and are made again; the log says each reason once. */
  readonly errors: number;
  /** null when no binaries are received. */
  readonly uploads: UploadStats | null;
}

export interface SymbolizerService {
  /** @returns where binaries are received; null when they are not */
  start(): Promise<{ readonly uploadUrl: string | null }>;
  /** Gives up what is being resolved: it is not committed, so the next owner resolves it. */
  stop(): Promise<void>;
  stats(): SymbolizerStats;
}

/**
 * A Nest microservice over the stream, in two stages. Scan: every instance reads a share of `profiles` and forwards addresses it has
 * not seen, keyed by binary. Resolve: the instance that owns a binary's partition resolves each address once and publishes whole
 * pages on `symbols`.
 */
export function createSymbolizerService(options: SymbolizerServiceOptions): SymbolizerService {
  const { stream, symbols, logger, instance, topicPrefix } = options;
  const topic = (name: keyof typeof TOPICS) => topicPrefix + TOPICS[name];
  const stats = {
    forwarded: 0,
    resolved: 0,
    unresolved: 0,
    reasons: {} as SymbolizerStats['reasons'],
    skippedMessages: 0,
    skippedOffsets: 0,
    errors: 0,
  };
  let producer: StreamProducer | null = null;
  let app: INestMicroservice | null = null;
  let resolvers: Resolvers | null = null;

  const publishTo = (name: keyof typeof TOPICS) => async (messages: Parameters<StreamProducer['send']>[1]) => {
    if (!producer) throw new Error('the symbolizer is not running');
    await producer.send(topic(name), messages);
  };
  const trouble = new Trouble(logger, instance, stats);
  const onError = (error: Error) => {
    if (!resolvers?.stopping) trouble.failed(error);
  };
  const onDone = () => trouble.worked();
  const scanner = new Scanner({ publish: publishTo('addresses'), stats, onDone });
  const uploads = options.uploads
    ? new Uploads(options.uploads, logger, (gnu) => void resolvers?.retryBinary(`gnu:${gnu}`).catch(onError))
    : null;
  const onSkipped = (name: string, partition: number, from: bigint, to: bigint) => {
    stats.skippedOffsets += Number(to - from);
    const range = { topic: name, partition, from: String(from), to: String(to) };
    logger.warn(range, 'messages were removed before they were read');
  };

  return {
    async start() {
      const names = ['profiles', 'addresses', 'symbols'] as const;
      await stream.ensureTopics(names.map((name) => ({ name: topic(name), ...TOPIC_SPECS[name] })));
      producer = await stream.producer();
      const replay = new Replay({ stream, addresses: topic('addresses'), symbols: topic('symbols') });
      const parts = { symbols, node: instance, publish: publishTo('symbols'), stats };
      resolvers = new Resolvers(parts, replay, { onError, onDone });
      app = await NestFactory.createMicroservice(SymbolizerModule.register(scanner, resolvers), {
        strategy: new StreamServer(stream, { prefix: topicPrefix, onError, onSkipped }),
        logger: false,
        abortOnError: false,
      });
      await app.listen();
      resolvers.retryEvery(options.retryMs ?? 60_000);
      const uploadUrl = uploads ? await uploads.open() : null;
      logger.info({ instance }, 'symbolizer is running');
      return { uploadUrl };
    },
    async stop() {
      await uploads?.close();
      const retried = resolvers?.stop();
      await app?.close();
      await retried;
      await producer?.close();
      app = null;
      producer = null;
    },
    stats: () => ({ ...stats, reasons: { ...stats.reasons }, uploads: uploads?.stats() ?? null }),
  };
}
