import { symbolsKey, type SymbolsMessage } from '@perfleet/messages';

export type SymbolFrame = SymbolsMessage['frames'][number];

export interface PageMessage {
  readonly key: string;
  readonly value: SymbolsMessage;
}

interface Page {
  readonly kind: string;
  readonly binaryId: string;
  readonly frames: Map<string, SymbolFrame>;
}

export interface PageLimits {
  /** Frames kept over all pages; the pages that changed longest ago are forgotten first. */
  readonly frames: number;
  /** Length of a message's JSON, UTF-16 units; brokers refuse messages over 1 MiB. */
  readonly messageLength: number;
}

export const PAGE_LIMITS: PageLimits = { frames: 500_000, messageLength: 300_000 };

/**
 * What is known of each address page. A message on a compacted topic replaces the one before it of its key, so it holds the
 * whole page. A page that does not fit into one message goes on in further ones, under keys of their own (`~1`, `~2`, …).
 */
export class Pages {
  private readonly pages = new Map<string, Page>();
  private frames = 0;

  constructor(private readonly limits: PageLimits = PAGE_LIMITS) {}

  get(binaryId: string, kind: string, address: string): SymbolFrame | undefined {
    return this.pages.get(pageKey(binaryId, kind, address))?.frames.get(address);
  }

  /** @returns the page's key; a worse answer never replaces a better one */
  put(binaryId: string, kind: string, frame: SymbolFrame): string {
    const key = pageKey(binaryId, kind, frame.address);
    const page = this.pages.get(key) ?? { kind, binaryId, frames: new Map<string, SymbolFrame>() };
    this.pages.delete(key);
    this.pages.set(key, page);
    const known = page.frames.get(frame.address);
    if (!known) this.frames++;
    if (!known || known.quality <= frame.quality) page.frames.set(frame.address, frame);
    for (const [oldest, other] of this.pages) {
      if (this.frames <= this.limits.frames || oldest === key) break;
      this.pages.delete(oldest);
      this.frames -= other.frames.size;
    }
    return key;
  }

  /** The messages of a page; none when it is forgotten. Frames keep their order, so that each stays under its key. */
  messages(key: string): PageMessage[] {
    const page = this.pages.get(key);
    if (!page) return [];
    const { kind, binaryId } = page;
    const messages: PageMessage[] = [];
    let frames: SymbolFrame[] = [];
    let length = 0;
    const flush = () => {
      const part = messages.length === 0 ? key : `${key}~${messages.length}`;
      messages.push({ key: part, value: { kind, binaryId, frames } });
      frames = [];
      length = 0;
    };
    for (const frame of page.frames.values()) {
      const more = JSON.stringify(frame).length;
      if (frames.length > 0 && length + more > this.limits.messageLength) flush();
      frames.push(frame);
      length += more;
    }
    flush();
    return messages;
  }
}

function pageKey(binaryId: string, kind: string, address: string): string {
  const page = symbolsKey(binaryId, BigInt(`0x${address}`));
  return kind === 'native' ? page : `${page}#${kind}`;
}
