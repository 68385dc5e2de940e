import { applyMigration, MIGRATIONS, missingMigrations, type Migration } from '../migrate.ts';
import { underSchemaLock } from '../schema-lock.ts';
import { ClickHouseError, type Store } from '../store.ts';
import { clusterForm } from './form.ts';
import { checkServer } from './topology.ts';

/** One replica of a shard. */
export interface ClusterServer {
  readonly shard: string;
  readonly store: Store;
}

/**
 * Brings every server of a cluster up to date, each by its own record, one migration after another and one server after another.
 * Rows are moved by the first server of those that hold them; a server that joined later gets them from the others.
 * A server that is away is waited for by nobody as long as the others lack nothing.
 * @param servers shard by shard, in an order that is the same for whoever calls: the lock is on the first
 * @returns versions that were applied to any of them now
 * @throws ClickHouseError as `migrate`, and when a server that must be changed is away or not set up for a cluster
 */
export async function migrateCluster(
  servers: readonly ClusterServer[],
  cluster: string,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<number[]> {
  const first = servers[0];
  if (!first) return [];
  if (!(await anyMissing(servers, cluster, migrations))) return [];
  return underSchemaLock(first.store, async () => {
    // Asked again: whoever had the lock before may have done it.
    const lacks = new Map<ClusterServer, ReadonlySet<number>>();
    for (const server of servers)
      lacks.set(server, new Set((await missingMigrations(server.store, migrations)).map(({ version }) => version)));
    const applied: number[] = [];
    for (const migration of migrations) {
      const isLacking = (server: ClusterServer) => lacks.get(server)!.has(migration.version);
      const lacking = servers.filter(isLacking);
      for (const server of lacking) {
        const same = servers.filter(({ shard }) => shard === server.shard);
        const moves = {
          everywhere: firstToMove(servers, server, isLacking),
          sharded: firstToMove(same, server, isLacking),
        };
        await applyMigration(server.store, migration, clusterForm({ cluster, migration: migration.name, moves }));
      }
      if (lacking.length > 0) applied.push(migration.version);
    }
    return applied;
  });
}

/** None has moved the rows yet, and of those that could this is the first. */
const firstToMove = (
  group: readonly ClusterServer[],
  server: ClusterServer,
  isLacking: (s: ClusterServer) => boolean,
) => group[0] === server && group.every(isLacking);

async function anyMissing(servers: readonly ClusterServer[], cluster: string, migrations: readonly Migration[]) {
  const away: unknown[] = [];
  let missing = false;
  for (const { store } of servers) {
    try {
      await checkServer(store, cluster);
      if ((await missingMigrations(store, migrations)).length > 0) missing = true;
    } catch (cause) {
      if (!isAway(cause)) throw cause;
      away.push(cause);
    }
  }
  if (away.length > 0 && (missing || away.length === servers.length)) throw away[0];
  return missing;
}

/** Nothing came back from the engine, or nobody was there. */
const isAway = (cause: unknown) => cause instanceof ClickHouseError && cause.code === 0 && cause.cause !== undefined;
