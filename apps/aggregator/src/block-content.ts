import { createHash } from 'node:crypto';
import { bodyHash } from '@perfleet/mapping';
import type { StreamMessage } from '@perfleet/stream';

/**
 * What stands for a message's body in the tokens of its block: the bytes themselves, which was the only way once, or 128 bits of
 * XXH3, in a sixth of the time. A token tells a block from another that was at the same offsets of a topic of the same identity,
 * and nobody gains by two that agree. Whoever replays a block takes the way that it was begun with.
 */
export type BodyHash = 'sha256' | 'xxh3';

/** Of blocks that are begun. */
export const BODY_HASH: BodyHash = 'xxh3';

/** Offset, time, length and body of each message of a block, as one hash. */
export class BlockContent {
  private readonly hash = createHash('sha256');

  constructor(readonly bodies: BodyHash) {}

  add({ offset, timestamp, value }: StreamMessage): void {
    const line = `${offset}:${timestamp}:${value?.byteLength ?? -1}:`;
    if (this.bodies === 'xxh3') return void this.hash.update(value ? `${line}${bodyHash(value)}:` : line);
    this.hash.update(line);
    if (value) this.hash.update(value);
  }

  /** Ends it. @returns 64 hexadecimal digits */
  digest(): string {
    return this.hash.digest('hex');
  }
}
