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

/** Where rows lie, for what works on parts and partitions. */
export interface Servers {
  readonly all: readonly ClusterServer[];
  /** Name of the table that has them. */
  table(name: string): string;
  close(): Promise<void>;
}

/** The store as the only server there is. */
export const oneServer = (store: Store): Servers => ({
  all: [{ shard: '', store }],
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
    urls.map((url) => ({ shard: name, store: new ServerStore({ ...options, url }) })),
  );
  return {
    all,
    table: localTable,
    async close() {
      for (const server of all) await server.store.close();
    },
  };
}

/** Those that between them hold each row of a table once: one of each shard, or one at all. What it does the others of its group repeat. */
export function holders({ all }: Servers, table: string): Store[] {
  const sharded = (SHARDED as readonly string[]).includes(table);
  return all
    .filter(({ shard }, i) => i === (sharded ? all.findIndex((one) => one.shard === shard) : 0))
    .map(({ store }) => store);
}
