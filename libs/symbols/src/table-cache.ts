import type { SymbolTable } from '@perfleet/native-symbols';

export interface Unusable {
  readonly reason: string;
}

interface Entry {
  readonly opened: Promise<SymbolTable | Unusable>;
  users: number;
  dropped: boolean;
}

/**
 * At most `capacity` open tables, least recently used dropped first. A table that is dropped is closed when its last user is
 * done: its memory is outside the JavaScript heap, so the collector would not hurry. Tables are opened one after another, so
 * that conversions do not take all of the thread pool.
 */
export class TableCache<Query> {
  private readonly entries = new Map<string, Entry>();
  private opening: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly capacity: number,
    /** Must not reject. */
    private readonly open: (query: Query) => Promise<SymbolTable | Unusable>,
  ) {}

  async use<T>(key: string, query: Query, work: (table: SymbolTable | Unusable) => Promise<T>): Promise<T> {
    const entry = this.entry(key, query);
    entry.users++;
    try {
      const table = await entry.opened;
      // A binary that is not there now may come: only what opened is kept.
      if ('reason' in table && this.entries.get(key) === entry) this.drop(key, entry);
      return await work(table);
    } finally {
      entry.users--;
      this.closeUnused(entry);
    }
  }

  clear(): void {
    for (const [key, entry] of this.entries) this.drop(key, entry);
  }

  private entry(key: string, query: Query): Entry {
    let entry = this.entries.get(key);
    if (entry) this.entries.delete(key);
    else {
      const opened = this.opening.then(() => this.open(query));
      this.opening = opened;
      entry = { opened, users: 0, dropped: false };
    }
    this.entries.set(key, entry);
    for (const [oldest, other] of this.entries) {
      if (this.entries.size <= this.capacity) break;
      if (other !== entry) this.drop(oldest, other);
    }
    return entry;
  }

  private drop(key: string, entry: Entry): void {
    this.entries.delete(key);
    entry.dropped = true;
    this.closeUnused(entry);
  }

  private closeUnused(entry: Entry): void {
    if (!entry.dropped || entry.users > 0) return;
    void entry.opened.then((table) => 'close' in table && table.close());
  }
}
