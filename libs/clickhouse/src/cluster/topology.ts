import { ClickHouseError, type Store } from '../store.ts';

/** Servers that hold the same rows. */
export interface Shard {
  /** As it stands beside offsets with the consumer group: a name is for good, and never given to other servers. */
  readonly name: string;
  /** HTTP addresses of its replicas. */
  readonly urls: readonly string[];
}

export interface ClusterOptions {
  /** As in `remote_servers` of every server. */
  readonly name: string;
  /** Left out = as `system.clusters` says, by number, each at the HTTP port of the configured address. */
  readonly shards?: readonly Shard[];
}

/**
 * Reads `1=http://a:8123,http://b:8123 2=http://c:8123`.
 * @throws Error that says which part is wrong
 */
export function parseShards(text: string): Shard[] {
  const shards = text
    .split(/\s+/)
    .filter((part) => part !== '')
    .map((part) => {
      const [, name, list] = /^([\w.-]{1,64})=(\S+)$/.exec(part) ?? [];
      if (!name || !list) throw new Error(`${part}: expected NAME=URL,URL of a shard and its replicas`);
      const urls = list.split(',');
      for (const url of urls)
        if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
          throw new Error(`${url} is no HTTP address`);
      return { name, urls };
    });
  const twice = shards.find(({ name }, i) => shards.findIndex((other) => other.name === name) !== i);
  if (twice) throw new Error(`shard ${twice.name} is named twice`);
  return shards;
}

/**
 * The shards of a cluster, in their order.
 * @param url of the server that is asked, whose port the others are taken to have
 * @throws ClickHouseError when the server knows no such cluster
 */
export async function readTopology(store: Store, cluster: ClusterOptions, url: string): Promise<readonly Shard[]> {
  if (cluster.shards?.length) return cluster.shards;
  const rows = await store.query<{ shard: number; host: string }>(
    `SELECT shard_num AS shard, host_name AS host FROM system.clusters WHERE cluster = {name:String} ORDER BY shard_num, replica_num`,
    { name: cluster.name },
  );
  if (rows.length === 0) throw unknownCluster(cluster.name);
  const shards = new Map<string, string[]>();
  for (const { shard, host } of rows) {
    const address = new URL(url);
    address.hostname = host.includes(':') ? `[${host}]` : host;
    const name = String(shard);
    shards.set(name, [...(shards.get(name) ?? []), address.href.replace(/\/$/, '')]);
  }
  return Array.from(shards, ([name, urls]) => ({ name, urls }));
}

/** What tables and their Keeper paths need of each server. @throws ClickHouseError that says what its configuration lacks */
export async function checkServer(store: Store, cluster: string): Promise<void> {
  const macros = await store.query<{ macro: string }>('SELECT macro FROM system.macros');
  const missing = ['shard', 'replica'].filter((name) => !macros.some(({ macro }) => macro === name));
  if (missing.length > 0)
    throw new ClickHouseError(
      `A server of the cluster ${cluster} has no macro {${missing.join('}, {')}}: set <macros> in the configuration of each, replica different for each one of a shard.`,
      0,
    );
  const known = await store.query('SELECT 1 FROM system.clusters WHERE cluster = {cluster:String} LIMIT 1', {
    cluster,
  });
  if (known.length === 0) throw unknownCluster(cluster);
}

const unknownCluster = (name: string) =>
  new ClickHouseError(
    `A server knows no cluster ${name}: name one of its <remote_servers> in PERFLEET_CLICKHOUSE_CLUSTER, or add it to each server.`,
    0,
  );
