import { availableParallelism } from 'node:os';
import type { SymbolTable } from '@perfleet/native-symbols';
import { Turns } from './turns.ts';

export interface Unusable {
  readonly reason: string;
}

interface Entry {
  readonly opened: Promise<SymbolTable | Unusable>;
  /** Known when it is open. */
  bytes: number;
  users: number;
  dropped: boolean;
}

export interface TableLimits {
  /** Open tables. */
  readonly tables: number;
  /** What all of them may map; one that is larger by itself stays until the next one comes. */
  readonly bytes: number;
  /** That are opened at once: a core each, and one thread of Node's pool of four is left. */
  readonly atOnce?: number;
}

/**
 * Open tables within limits, least recently used dropped first. A table that is dropped is closed when its last user is
 * done: its memory is outside the JavaScript heap, so the collector would not hurry. So many are opened at once, that
 * conversions use the cores and do not take all of the thread pool.
 */
export class TableCache<Query> {
  private readonly entries = new Map<string, Entry>();
  private readonly opening: Turns;
  private bytes = 0;

  constructor(
    private readonly limits: TableLimits,
    /** Must not reject. */
    private readonly open: (query: Query) => Promise<SymbolTable | Unusable>,
  ) {
    this.opening = new Turns(limits.atOnce ?? Math.min(availableParallelism(), 3));
  }

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
      const opened = this.opening.take(() => this.open(query));
      entry = { opened, bytes: 0, users: 0, dropped: false };
      void this.weigh(entry);
    }
    this.entries.set(key, entry);
    this.shrink(entry);
    return entry;
  }

  private async weigh(entry: Entry): Promise<void> {
    const table = await entry.opened;
    if (entry.dropped || 'reason' in table) return;
    entry.bytes = table.bytes;
    this.bytes += entry.bytes;
    this.shrink(entry);
  }

  private shrink(newest: Entry): void {
    for (const [oldest, other] of this.entries) {
      if (this.entries.size <= this.limits.tables && this.bytes <= this.limits.bytes) break;
      if (other !== newest) this.drop(oldest, other);
    }
  }

  private drop(key: string, entry: Entry): void {
    this.entries.delete(key);
    this.bytes -= entry.bytes;
    entry.dropped = true;
    this.closeUnused(entry);
  }

  private closeUnused(entry: Entry): void {
    if (!entry.dropped || entry.users > 0) return;
    void entry.opened.then((table) => 'close' in table && table.close());
  }
}
