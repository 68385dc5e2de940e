import { createHash } from 'node:crypto';
import { sqlUserStatements } from '@perfleet/api';
import {
  readTopology,
  ServerStore,
  underSchemaLock,
  type ClusterOptions,
  type ServerOptions,
  type Store,
} from '@perfleet/clickhouse';
import type { LabelLimits } from '@perfleet/tokens';

export interface SqlUser {
  readonly user: string;
  readonly password: string;
  readonly labels: LabelLimits;
}

/**
 * Makes a user of ClickHouse who reads the public views and nothing else, on every server of the cluster, in one process at a time.
 * @param store migrated, with the rights to manage access
 */
export async function makeSqlUser(
  store: Store,
  options: ServerOptions & { readonly cluster?: ClusterOptions },
  { user, password, labels }: SqlUser,
): Promise<void> {
  const { cluster, sqlUser: _, ...server } = options;
  const statements = sqlUserStatements({
    database: options.database ?? 'default',
    definer: options.user ?? 'default',
    user,
    passwordSha256: createHash('sha256').update(password).digest('hex'),
    labels,
  });
  const run = async (on: Store) => {
    for (const statement of statements) await on.command(statement);
  };
  await underSchemaLock(store, async () => {
    if (!cluster) return run(store);
    for (const { urls } of await readTopology(store, cluster, options.url))
      for (const url of urls) {
        const replica = new ServerStore({ ...server, url });
        try {
          await run(replica);
        } finally {
          await replica.close();
        }
      }
  });
  const reader = new ServerStore({ ...server, user, password });
  try {
    await reader.query('SELECT time FROM profiles LIMIT 1');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `${user} was made, but cannot read: ${why}. In a cluster, name a <user> for each replica in <remote_servers> in the place of a <secret>, with which shards are asked as ${user} itself`,
      { cause },
    );
  } finally {
    await reader.close();
  }
}
