import {
  localTable,
  readTopology,
  SHARDED,
  ServerStore,
  type ClusterOptions,
  type ClusterServer,
  type ServerOptions,
  type Store,
} from '@perfleet/clickhouse';

export interface AdminServer extends ClusterServer {
  /** As people know it: its address; '' where it is the only one. */
  readonly name: string;
}

/** Where rows lie, for what works on parts and partitions. */
export interface Servers {
  readonly all: readonly AdminServer[];
  /** Answers for all of them, as queries are answered. */
  readonly store: Store;
  /** Name of the table that has them. */
  table(name: string): string;
  close(): Promise<void>;
}

/** The store as the only server there is. */
export const oneServer = (store: Store): Servers => ({
  all: [{ shard: '', name: '', store }],
  store,
  table: (name) => name,
  close: async () => undefined,
});

/** @param store migrated; closed by who opened it */
export async function openServers(
  store: Store,
  { cluster, sqlUser: _, ...options }: ServerOptions & { readonly cluster?: ClusterOptions },
): Promise<Servers> {
  if (!cluster) return oneServer(store);
  const shards = await readTopology(store, cluster, options.url);
  const all = shards.flatMap(({ name, urls }) =>
    urls.map((url) => ({ shard: name, name: new URL(url).host, store: new ServerStore({ ...options, url }) })),
  );
  return {
    all,
    store,
    table: localTable,
    async close() {
      for (const server of all) await server.store.close();
    },
  };
}

/** Those that between them hold each row of a table once: one of each shard, or one at all. What it does the others of its group repeat. */
export function holders(servers: Servers, table: string): Store[] {
  const firsts = firstOfEachShard(servers);
  return (isSharded(table) ? firsts : firsts.slice(0, 1)).map(({ store }) => store);
}

export const isSharded = (table: string) => (SHARDED as readonly string[]).includes(table);

export function firstOfEachShard({ all }: Servers): AdminServer[] {
  return all.filter(({ shard }, i) => i === all.findIndex((one) => one.shard === shard));
}
