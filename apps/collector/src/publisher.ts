import { encodeProfileHeaders } from '@perfleet/messages';
import type { Logger } from '@perfleet/observability';
import { OTLP_SCHEMA } from '@perfleet/otlp';
import type { Stream, StreamProducer } from '@perfleet/stream';
import type { Spool, SpooledMessage, SpoolRecord } from './spool.ts';

export interface PublisherOptions {
  readonly stream: Pick<Stream, 'producer'>;
  readonly spool: Spool;
  readonly node: string;
  readonly logger: Logger;
  /** First and longest wait before the stream is tried again, milliseconds. */
  readonly backoffMs?: { readonly min: number; readonly max: number };
}

/** Sends what is in the spool, one message after another, for ever. The stream being away only makes it wait. */
export class Publisher {
  private producer: StreamProducer | null = null;
  private running: Promise<void> | null = null;
  private stopping = false;
  private wake: () => void = () => undefined;
  private failures = 0;
  private idle = false;
  private sentMessages = 0;
  /** The stream has this message, and a full disk still has it in the spool. */
  private unsettled = -1;

  constructor(private readonly options: PublisherOptions) {}

  start(): void {
    this.running ??= this.loop();
  }

  /** @returns false when the disk refused the records (they are counted as lost) */
  publish(records: readonly SpoolRecord[]): boolean {
    const taken = this.options.spool.append(records);
    this.wake();
    return taken;
  }

  get away(): boolean {
    return this.failures > 0;
  }

  get sent(): number {
    return this.sentMessages;
  }

  /** Waits until the spool is empty, the stream is away or the time is over; what is left is sent by the next run. */
  async drain(ms: number): Promise<boolean> {
    const deadline = performance.now() + ms;
    while (!(this.idle || this.running === null)) {
      if (this.away || performance.now() > deadline) return false;
      await pause(5);
    }
    return this.idle;
  }

  /** Ends after the message in flight, but waits for that no longer than `ms`. */
  async stop(ms: number): Promise<void> {
    this.stopping = true;
    this.wake();
    await within(ms, this.running ?? Promise.resolve());
    if (this.producer) await within(ms, this.producer.close());
  }

  private async loop(): Promise<void> {
    while (!this.stopping) {
      const message = this.options.spool.next();
      this.idle = message === null;
      if (message === null) {
        await this.sleep(60_000);
        continue;
      }
      try {
        if (message.id !== this.unsettled) await this.send(message);
      } catch (error) {
        await this.onFailure(error, 'the stream is away; messages wait on disk');
        continue;
      }
      try {
        this.settle(message);
      } catch (error) {
        await this.onFailure(error, 'the spool cannot be written; what is sent stays in it for now');
      }
    }
  }

  private async send(message: SpooledMessage): Promise<void> {
    const { node } = this.options;
    this.producer ??= await this.options.stream.producer();
    const headers = message.headers
      ? encodeProfileHeaders({ schema: OTLP_SCHEMA, node, sent: Date.now(), ...message.headers })
      : {};
    await this.producer.send(message.topic, [{ key: node, value: message.body, headers }]);
    this.unsettled = message.id;
    this.sentMessages++;
  }

  private settle(message: SpooledMessage): void {
    const { spool, logger } = this.options;
    if (this.stopping && !spool.isOpen) return;
    spool.settle(message.id);
    if (this.failures > 0) logger.info({ bytes: spool.pendingBytes }, 'sending what was spooled again');
    this.failures = 0;
  }

  private async onFailure(error: unknown, what: string): Promise<void> {
    const { min, max } = this.options.backoffMs ?? { min: 200, max: 5000 };
    const message = error instanceof Error ? error.message : String(error);
    if (this.failures === 0) this.options.logger.warn({ error: message }, what);
    await pause(Math.min(max, min * 2 ** Math.min(this.failures++, 10)), () => this.stopping);
  }

  private async sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.wake = () => {
        clearTimeout(timer);
        this.idle = false;
        resolve();
      };
    });
  }
}

/** Resolves after `ms`, or soon after `over` holds. */
async function pause(ms: number, over: () => boolean = () => false): Promise<void> {
  const until = performance.now() + ms;
  while (!over() && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(50, Math.max(1, until - performance.now()))));
  }
}

/** Waits for `work`, however it ends, for at most `ms`. */
export async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const done = work.then(
    () => true,
    () => false,
  );
  const result = await Promise.race([done, late]);
  clearTimeout(timer);
  return result;
}
