import { createHash } from 'node:crypto';
import { sqlUserStatements } from '@perfleet/api';
import {
  ServerStore,
  underSchemaLock,
  type ClusterOptions,
  type ServerOptions,
  type Store,
} from '@perfleet/clickhouse';
import type { LabelLimits } from '@perfleet/tokens';
import { openServers } from './servers.ts';

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
  const { cluster: _cluster, sqlUser: _user, ...server } = options;
  const statements = sqlUserStatements({
    database: options.database ?? 'default',
    definer: options.user ?? 'default',
    user,
    passwordSha256: createHash('sha256').update(password).digest('hex'),
    labels,
  });
  await underSchemaLock(store, async () => {
    const servers = await openServers(store, options);
    try {
      for (const { store: each } of servers.all) for (const statement of statements) await each.command(statement);
    } finally {
      await servers.close();
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
