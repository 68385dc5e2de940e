import { symbolsKey, type SymbolsMessage } from '@perfleet/messages';

export type SymbolFrame = SymbolsMessage['frames'][number];

interface Page {
  readonly kind: string;
  readonly binaryId: string;
  readonly frames: Map<string, SymbolFrame>;
}

/** What is known of each address page. A message on a compacted topic replaces the one before, so it holds the whole page. */
export class Pages {
  private readonly pages = new Map<string, Page>();

  constructor(private readonly maxPages = 50_000) {}

  get(binaryId: string, kind: string, address: string): SymbolFrame | undefined {
    return this.pages.get(this.key(binaryId, kind, address))?.frames.get(address);
  }

  /** @returns the page's key; a worse answer never replaces a better one */
  put(binaryId: string, kind: string, frame: SymbolFrame): string {
    const key = this.key(binaryId, kind, frame.address);
    let page = this.pages.get(key);
    if (!page) {
      page = { kind, binaryId, frames: new Map() };
      for (const oldest of this.pages.keys()) {
        if (this.pages.size < this.maxPages) break;
        this.pages.delete(oldest);
      }
    } else this.pages.delete(key);
    this.pages.set(key, page);
    const known = page.frames.get(frame.address);
    if (!known || known.quality <= frame.quality) page.frames.set(frame.address, frame);
    return key;
  }

  message(key: string): SymbolsMessage {
    const { kind, binaryId, frames } = this.pages.get(key)!;
    return { kind, binaryId, frames: [...frames.values()] };
  }

  private key(binaryId: string, kind: string, address: string): string {
    const page = symbolsKey(binaryId, BigInt(`0x${address}`));
    return kind === 'native' ? page : `${page}#${kind}`;
  }
}
