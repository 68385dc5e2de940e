import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { firstValueFrom, isObservable } from 'rxjs';
import type {
  ConsumerOptions,
  PartitionAssignment,
  PartitionHandler,
  Stream,
  StreamBatch,
  StreamConsumer,
} from '../stream.ts';
import { STREAM_TRANSPORT, type StreamHandlerOptions } from './stream-handler.ts';

export interface StreamServerOptions extends Pick<
  ConsumerOptions,
  'idleMs' | 'maxBytesPerBatch' | 'onSkipped' | 'onError'
> {
  /** Put before the names of topics and groups, which the handlers name without it. */
  readonly prefix?: string;
}

/**
 * A Nest microservice over a `Stream`: batches stay batches and bytes stay bytes. The stream itself belongs to who opened it.
 *
 *     NestFactory.createMicroservice(AppModule, { strategy: new StreamServer(stream) })
 */
export class StreamServer extends Server implements CustomTransportStrategy {
  override transportId = STREAM_TRANSPORT;
  /** The consumer reports what a handler rejects with and hands the same offsets over again. */
  override readonly propagatesEventHandlerErrors = true;
  private consumers: StreamConsumer[] = [];

  constructor(
    private readonly stream: Stream,
    private readonly options: StreamServerOptions = {},
  ) {
    super();
  }

  /** One consumer per group, with all topics that the group has methods for. */
  async listen(callback: (error?: unknown) => void): Promise<void> {
    const { prefix = '', ...options } = this.options;
    try {
      for (const [group, openers] of this.byGroup(prefix)) {
        const consumer = this.stream.consumer({
          onError: (error) => this.logger.warn(error.message),
          onSkipped: (topic, partition, from, to) =>
            this.logger.error(`${topic}/${partition}: offsets ${from} to ${to} were removed before they were read`),
          ...options,
          group,
          topics: [...openers.keys()],
          open: (assignment) => new OpenedPartition(openers.get(assignment.topic)!, assignment),
        });
        this.consumers.push(consumer);
        await consumer.start();
      }
      callback();
    } catch (error) {
      await this.close();
      callback(error);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.consumers.splice(0).map((consumer) => consumer.stop()));
  }

  on(): never {
    throw new Error('the stream transport has no events; onError and onSkipped of its options tell what happens');
  }

  unwrap<T>(): T {
    return this.stream as T;
  }

  private byGroup(prefix: string): Map<string, Map<string, MessageHandler>> {
    const groups = new Map<string, Map<string, MessageHandler>>();
    for (const handler of this.messageHandlers.values()) {
      const extras = handler.extras as unknown as StreamHandlerOptions;
      const [topic, group] = [prefix + extras.topic, prefix + extras.group];
      if (handler.next) throw new Error(`two methods handle topic ${topic} of group ${group}; keep one of them`);
      const openers = groups.get(group) ?? new Map<string, MessageHandler>();
      openers.set(topic, handler);
      groups.set(group, openers);
    }
    return groups;
  }
}

/** Nest calls controllers asynchronously (guards, interceptors); the first batch waits for the handler that comes of it. */
class OpenedPartition implements PartitionHandler {
  private handler: Promise<PartitionHandler> | null = null;

  constructor(
    private readonly opener: MessageHandler,
    private readonly assignment: PartitionAssignment,
  ) {
    this.opened().catch(() => undefined);
  }

  async onBatch(batch: StreamBatch): Promise<void> {
    await (await this.opened()).onBatch(batch);
  }

  async onIdle(): Promise<void> {
    await (await this.opened()).onIdle?.();
  }

  async onClose(): Promise<void> {
    if (this.handler) await (await this.handler).onClose?.();
  }

  /** A method that failed to open the partition is asked again with the next attempt at the same offsets. */
  private opened(): Promise<PartitionHandler> {
    this.handler ??= this.open().catch((error: unknown) => {
      this.handler = null;
      throw error;
    });
    return this.handler;
  }

  private async open(): Promise<PartitionHandler> {
    const result: unknown = await this.opener(this.assignment);
    const handler: unknown = isObservable(result) ? await firstValueFrom(result) : result;
    if (typeof (handler as PartitionHandler | null)?.onBatch !== 'function')
      throw new Error(`the method for topic ${this.assignment.topic} gave no PartitionHandler`);
    return handler as PartitionHandler;
  }
}
