import { randomBytes } from 'node:crypto';
import { encodeProfileHeaders } from '@perfleet/messages';
import { OTLP_SCHEMA } from '@perfleet/otlp';
import type { Stream, StreamProducer } from '@perfleet/stream';
import { ApiError } from '../http/api-error.ts';
import type { MessagePart } from './message-parts.ts';

const MAX_NODES = 10_000;
/** An epoch's counts stay exact as numbers. */
const MAX_TAKEN = 2 ** 52;

/** One run of messages of a node: taken = stored + lost holds after each of them, and nothing is ever lost here. */
interface Epoch {
  readonly id: string;
  readonly start: number;
  seq: number;
  taken: number;
}

/**
 * Publishes what senders hand over, under an epoch and sequence of the API's own for each node. Messages of one node go one
 * after another. When it is not certain that a message reached the log its epoch ends there: the count of either outcome
 * is right, and no later message can be taken for it.
 */
export class ProfilePublisher {
  private producer: Promise<StreamProducer> | null = null;
  private readonly epochs = new Map<string, Epoch>();
  private readonly last = new Map<string, Promise<void>>();

  constructor(
    private readonly stream: Pick<Stream, 'producer'>,
    private readonly topic: string,
  ) {}

  /** Resolves when the log has them all. @throws ApiError 503: nothing, or the first ones only, are in the log */
  async publish(node: string, parts: readonly MessagePart[]): Promise<void> {
    const before = this.last.get(node) ?? Promise.resolve();
    const mine = before.then(() => this.send(node, parts));
    const settled = mine.catch(() => undefined);
    this.last.set(node, settled);
    try {
      await mine;
    } finally {
      if (this.last.get(node) === settled) this.last.delete(node);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.last.values());
    await (await this.producer?.catch(() => null))?.close();
  }

  private async send(node: string, parts: readonly MessagePart[]): Promise<void> {
    for (const { body, samples } of parts) {
      if ((this.epochs.get(node)?.taken ?? 0) + samples > MAX_TAKEN) this.epochs.delete(node);
      const epoch = this.epoch(node);
      epoch.seq++;
      epoch.taken += samples;
      const headers = encodeProfileHeaders({
        schema: OTLP_SCHEMA,
        node,
        epoch: epoch.id,
        epochStart: epoch.start,
        seq: epoch.seq,
        sent: Date.now(),
        taken: epoch.taken,
        lost: {},
      });
      try {
        this.producer ??= this.stream.producer();
        await (await this.producer).send(this.topic, [{ key: node, value: body, headers }]);
      } catch (cause) {
        this.epochs.delete(node);
        this.producer = null;
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new ApiError(503, 'stream-unavailable', `the stream does not take profiles now: ${why}`, undefined, {
          cause,
        });
      }
    }
  }

  private epoch(node: string): Epoch {
    const epoch = this.epochs.get(node) ?? {
      id: randomBytes(8).toString('hex'),
      start: Date.now(),
      seq: 0,
      taken: 0,
    };
    this.epochs.delete(node);
    this.epochs.set(node, epoch);
    if (this.epochs.size > MAX_NODES) this.epochs.delete(this.epochs.keys().next().value!);
    return epoch;
  }
}
