import { migrateCluster } from './cluster/migrate-cluster.ts';
import { readTopology, type ClusterOptions } from './cluster/topology.ts';
import { ShardWriters } from './cluster/shard-writers.ts';
import { EmbeddedStore } from './embedded.ts';
import { migrate } from './migrate.ts';
import { ServerStore, type ServerOptions } from './server.ts';
import type { Store } from './store.ts';

export type StoreOptions =
  | { readonly kind: 'embedded'; readonly path: string }
  | ({ readonly kind: 'server'; readonly cluster?: ClusterOptions } & ServerOptions);

/**
 * A query over a `Distributed` table inside of another one's is answered first, by all shards, and its answer sent to each: the answer of
 * one shard alone would be wrong wherever rows of one thing are on several.
 */
const CLUSTER_SETTINGS = { distributed_product_mode: 'global' } as const;

/** Opens the store and brings its schema up to date, on every server of a cluster. @throws ClickHouseError that names the cause and the fix */
export async function openStore(options: StoreOptions): Promise<Store> {
  const store = options.kind === 'embedded' ? new EmbeddedStore(options.path) : openServer(options);
  try {
    if (options.kind === 'server' && options.cluster) await migrateServers(store, options, options.cluster);
    else await migrate(store);
    return store;
  } catch (cause) {
    await store.close();
    throw cause;
  }
}

/** Connections to the shards of a cluster that `openStore` has opened. */
export async function openShards(
  store: Store,
  options: ServerOptions & { readonly cluster: ClusterOptions },
): Promise<ShardWriters> {
  return new ShardWriters(await readTopology(store, options.cluster, options.url), options);
}

const openServer = ({ cluster, ...options }: ServerOptions & { readonly cluster?: ClusterOptions }) =>
  new ServerStore(cluster ? { ...options, settings: { ...CLUSTER_SETTINGS, ...options.settings } } : options);

async function migrateServers(store: Store, options: ServerOptions, cluster: ClusterOptions): Promise<void> {
  const shards = await readTopology(store, cluster, options.url);
  const servers = shards.flatMap(({ name, urls }) =>
    urls.map((url) => ({ shard: name, store: new ServerStore({ ...options, url }) })),
  );
  try {
    await migrateCluster(servers, cluster.name);
  } finally {
    for (const server of servers) await server.store.close();
  }
}
