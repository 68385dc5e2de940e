import { ProfilesEncoder } from '@perfleet/otlp';
import { ApiError } from '../http/api-error.ts';

/** One message of `perfleet.profiles` and the samples in it, as its headers count them. */
export interface MessagePart {
  readonly body: Uint8Array;
  readonly samples: number;
}

/** A message is closed when it has this size … */
const CLOSE_BYTES = 650_000;
/** … and one stack adds at most this much, so that a message stays below Kafka's bound of 1 MiB with its headers. */
const MAX_STACK_BYTES = 250_000;

/**
 * Cuts what a sender hands over into messages. `open` makes a caller's tables for a new message: indices hold for one only.
 */
export class MessageParts<T> {
  private readonly parts: MessagePart[] = [];
  private current: { readonly encoder: ProfilesEncoder; readonly tables: T; samples: number } | null = null;

  constructor(private readonly open: (encoder: ProfilesEncoder) => T) {}

  /** @param count of the samples that `write` adds. @throws ApiError 400 when they are too large for any message */
  add(count: number, write: (tables: T) => void): void {
    if (this.current && this.current.encoder.estimatedBytes >= CLOSE_BYTES) this.close();
    if (!this.current) {
      const encoder = new ProfilesEncoder();
      this.current = { encoder, tables: this.open(encoder), samples: 0 };
    }
    const before = this.current.encoder.estimatedBytes;
    write(this.current.tables);
    if (this.current.encoder.estimatedBytes - before > MAX_STACK_BYTES)
      throw new ApiError(400, 'bad-request', `the names of one stack take more than ${MAX_STACK_BYTES} bytes`);
    this.current.samples += count;
  }

  finish(): MessagePart[] {
    this.close();
    return this.parts;
  }

  private close(): void {
    if (this.current) this.parts.push({ body: this.current.encoder.finish(), samples: this.current.samples });
    this.current = null;
  }
}
