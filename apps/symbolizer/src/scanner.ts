import { decodeProfileHeaders, type AddressesMessage } from '@perfleet/messages';
import { decodeProfiles, OtlpDecodeError } from '@perfleet/otlp';
import type { OutgoingMessage, StreamMessage } from '@perfleet/stream';
import { BoundedSet } from './bounded-set.ts';
import { scanAddresses } from './scan-addresses.ts';

const SEEN_ADDRESSES = 2_000_000;

export interface ScannerParts {
  readonly publish: (messages: readonly OutgoingMessage[]) => Promise<void>;
  readonly stats: { forwarded: number; skippedMessages: number };
  /** After each batch that was forwarded. */
  readonly onDone: () => void;
}

/** Forwards the addresses that this instance has not seen before, keyed by binary. */
export class Scanner {
  private readonly seen = new BoundedSet(SEEN_ADDRESSES);

  constructor(private readonly parts: ScannerParts) {}

  async scan(messages: readonly StreamMessage[]): Promise<void> {
    const { publish, stats, onDone } = this.parts;
    const fresh = new Set<string>();
    const isNew = (key: string) => !this.seen.has(key) && !fresh.has(key) && Boolean(fresh.add(key));
    const found: AddressesMessage[] = [];
    for (const message of messages) {
      if (!message.value) continue;
      const headers = decodeProfileHeaders(message.headers);
      try {
        found.push(...scanAddresses(decodeProfiles(message.value), headers.ok ? headers.value.node : '', isNew));
      } catch (error) {
        // The aggregator writes such messages to `dead`; here they only count.
        if (!(error instanceof OtlpDecodeError)) throw error;
        stats.skippedMessages++;
      }
    }
    if (found.length > 0) {
      await publish(found.map((m) => ({ key: m.binaryId, value: Buffer.from(JSON.stringify(m)) })));
    }
    // Only now: a send that failed is done again with the same addresses.
    for (const key of fresh) this.seen.add(key);
    stats.forwarded += fresh.size;
    onDone();
  }
}
