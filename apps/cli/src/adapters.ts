import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ClusterOptions, ServerOptions, Shard, ShardWriters, Store } from '@perfleet/clickhouse';
import { ConfigError } from '@perfleet/config';
import { TOPICS, TOPIC_SPECS, type TopicName } from '@perfleet/messages';
import type { NodeStateStore } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import type { Stream } from '@perfleet/stream';
import { kafkaOptions } from './kafka-options.ts';
import type { Settings } from './settings.ts';

/*
 * What the services talk to. Each is loaded when it is opened: no command pays for a driver it does not use.
 */

/** What tells a data directory from one that merely was named. */
const OWN_FILES = ['stream.db', 'nodes.db', 'clickhouse', 'collector'];

/** Creates the data directory, for its user alone, and fails with one line when nothing can be written there. */
export function ensureDataDir(path: string): void {
  try {
    makeDirectories(path);
    closeToOthers(path);
    // Only a write tells: root passes every check of permissions, also on a read-only file system.
    rmdirSync(mkdtempSync(join(path, '.writable-')));
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`the data directory ${path} is not writable (${cause}); choose another with --data DIR`);
  }
}

/** With `recursive` Node 24 tries for ever where the parent exists and takes no directories, as below /proc. */
function makeDirectories(path: string): void {
  if (existsSync(path)) return;
  makeDirectories(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** One that an older version made could be read by every user. A directory with none of our files is somebody else's to set. */
function closeToOthers(path: string): void {
  const { mode, uid } = statSync(path);
  if ((mode & 0o077) === 0 || uid !== process.getuid?.()) return;
  if (OWN_FILES.some((name) => existsSync(join(path, name)))) chmodSync(path, 0o700);
}

/**
 * Kafka when brokers are configured, else the embedded log in the data directory. Its topics exist when this resolves.
 * @throws StreamUnavailableError when no broker answers; one that goes away later is waited for
 */
export async function openStream(settings: Settings, logger: Logger): Promise<Stream> {
  const stream = await openLog(settings, logger);
  try {
    const names = Object.keys(TOPICS) as TopicName[];
    await stream.ensureTopics(
      names.map((name) => ({ name: settings.topicPrefix + TOPICS[name], ...TOPIC_SPECS[name] })),
    );
    return stream;
  } catch (error) {
    await stream.close();
    throw error;
  }
}

async function openLog(settings: Settings, logger: Logger): Promise<Stream> {
  if (settings.kafkaBrokers.length > 0) {
    const { openKafkaStream } = await import('@perfleet/stream/kafka');
    return openKafkaStream(kafkaOptions(settings, logger));
  }
  ensureDataDir(settings.dataDir);
  const { openEmbeddedStream } = await import('@perfleet/stream/embedded');
  return openEmbeddedStream({ path: join(settings.dataDir, 'stream.db'), logger });
}

/** A ClickHouse server or cluster when its address is configured, the engine in this process otherwise. Migrated. */
export async function openProfileStore(settings: Settings): Promise<Store> {
  const { openStore } = await import('@perfleet/clickhouse');
  if (settings.clickhouseUrl) return openStore({ kind: 'server', ...(await serverOptions(settings)) });
  ensureDataDir(settings.dataDir);
  return openStore({ kind: 'embedded', path: join(settings.dataDir, 'clickhouse') });
}

/** Connections to the shards of the cluster that `store` is; null when it is none. */
export async function openProfileShards(settings: Settings, store: Store): Promise<ShardWriters | null> {
  const { openShards } = await import('@perfleet/clickhouse');
  const { cluster, ...options } = await serverOptions(settings);
  return settings.clickhouseUrl && cluster ? openShards(store, { ...options, cluster }) : null;
}

/** How to reach ClickHouse. @throws ConfigError when the list of shards cannot be read */
export async function serverOptions(
  settings: Settings,
): Promise<ServerOptions & { readonly cluster?: ClusterOptions }> {
  const { clickhouseCluster: name, clickhouseSqlUser: user, clickhouseSqlPassword: password } = settings;
  return {
    url: settings.clickhouseUrl,
    user: settings.clickhouseUser,
    password: settings.clickhousePassword,
    database: settings.clickhouseDatabase,
    ...(user ? { sqlUser: { user, password } } : {}),
    ...(name ? { cluster: { name, shards: await shardsOf(settings.clickhouseShards) } } : {}),
  };
}

async function shardsOf(text: string): Promise<readonly Shard[]> {
  const { parseShards } = await import('@perfleet/clickhouse');
  try {
    return parseShards(text);
  } catch (cause) {
    throw new ConfigError(`PERFLEET_CLICKHOUSE_SHARDS: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

/** Redis when its address is configured, else a file in the data directory. Redis need not answer yet. */
export async function openNodeState(settings: Settings): Promise<NodeStateStore> {
  if (settings.redisUrl) {
    const { openRedisNodeState } = await import('@perfleet/node-state/redis');
    return openRedisNodeState({ url: settings.redisUrl, prefix: `${settings.topicPrefix}perfleet` });
  }
  ensureDataDir(settings.dataDir);
  const { openSqliteNodeState } = await import('@perfleet/node-state/sqlite');
  return openSqliteNodeState({ path: join(settings.dataDir, 'node-state.db') });
}

/** For services that are of little use without it. @throws Error that names the address and the fix */
export async function openReachableNodeState(settings: Settings): Promise<NodeStateStore> {
  const nodeState = await openNodeState(settings);
  try {
    await nodeState.list();
    return nodeState;
  } catch (cause) {
    await nodeState.close();
    const message = cause instanceof Error ? cause.message : String(cause);
    if (!settings.redisUrl) throw cause;
    const { parseRedisUrl } = await import('@perfleet/node-state');
    const at = parseRedisUrl(settings.redisUrl).addresses.map(({ host, port }) => `${host}:${port}`);
    throw new Error(
      `cannot reach the node state store at ${at.join(', ')} (${message}); check --redis-url and that Redis runs there`,
      { cause },
    );
  }
}
