import type { RowBinaryBlock } from '../row-binary.ts';
import { ServerStore, type ServerOptions } from '../server.ts';
import { ClickHouseError, type Column, type QueryOptions, type QueryParams, type Store } from '../store.ts';
import { localTable } from './form.ts';
import type { Shard } from './topology.ts';

/** What is written and read for a block. */
export interface BlockStore {
  query<T = Record<string, unknown>>(sql: string, params?: QueryParams, options?: QueryOptions): Promise<T[]>;
  insert(table: string, columns: readonly Column[], block: RowBinaryBlock, token: string): Promise<void>;
}

/** Where a block goes. */
export interface ShardStore extends BlockStore {
  /** Resolves when what others wrote can be read here: what is a duplicate follows from it. */
  catchUp(): Promise<void>;
}

export interface Shards {
  /** Of a partition, by today's map; '' on a single server. */
  shardOf(partition: number): string;
  /** @throws ClickHouseError when there is no such shard any more */
  writer(shard: string): ShardStore;
}

/** A single server takes all partitions, and whatever was recorded. */
export function oneShard(store: BlockStore): Shards {
  const writer: ShardStore = {
    query: (...args) => store.query(...args),
    insert: (...args) => store.insert(...args),
    catchUp: async () => undefined,
  };
  return { shardOf: () => '', writer: () => writer };
}

/** Connections to each shard of a cluster. */
export class ShardWriters implements Shards {
  private readonly names: readonly string[];
  private readonly writers: ReadonlyMap<string, ShardWriter>;

  /** @param open for tests; opens one replica */
  constructor(
    shards: readonly Shard[],
    options: Omit<ServerOptions, 'url'>,
    open: (url: string) => Store = (url) => new ServerStore({ ...options, url }),
  ) {
    this.names = shards.map(({ name }) => name);
    this.writers = new Map(shards.map(({ name, urls }) => [name, new ShardWriter(urls.map(open))]));
  }

  shardOf(partition: number): string {
    return this.names[partition % this.names.length]!;
  }

  writer(shard: string): ShardStore {
    const known = this.writers.get(shard);
    if (known) return known;
    throw new ClickHouseError(
      `A block was begun on the shard ${shard}, which is not among ${this.names.join(', ')}: it can only be finished there. ` +
        `Name it in PERFLEET_CLICKHOUSE_SHARDS until then, at the end of the list.`,
      0,
    );
  }

  async close(): Promise<void> {
    for (const writer of this.writers.values()) await writer.close();
  }
}

/**
 * One replica of a shard at a time, as long as it answers: it has read what it wrote. Another one is asked to catch up before it is
 * used, since what it lacks decides what is a duplicate.
 */
class ShardWriter implements ShardStore {
  private at = 0;
  private caughtUp = false;

  constructor(private readonly replicas: readonly Store[]) {}

  query<T>(sql: string, params?: QueryParams, options?: QueryOptions): Promise<T[]> {
    return this.reach(async (replica) => {
      if (!this.caughtUp) await synchronize(replica);
      this.caughtUp = true;
      return replica.query<T>(sql, params, options);
    });
  }

  insert(table: string, columns: readonly Column[], block: RowBinaryBlock, token: string): Promise<void> {
    return this.reach((replica) => replica.insert(localTable(table), columns, block, token));
  }

  catchUp(): Promise<void> {
    return this.reach(synchronize);
  }

  async close(): Promise<void> {
    for (const replica of this.replicas) await replica.close();
  }

  /** What fails is tried again by who asked: then at the next replica. */
  private async reach<T>(work: (replica: Store) => Promise<T>): Promise<T> {
    const { at } = this;
    try {
      return await work(this.replicas[at]!);
    } catch (cause) {
      if (this.at === at && this.replicas.length > 1) {
        this.at = (at + 1) % this.replicas.length;
        this.caughtUp = false;
      }
      throw cause;
    }
  }
}

const synchronize = (replica: Store) => replica.command('SYSTEM SYNC REPLICA delivery_log', { connection: 'ingest' });
