import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type Store } from '@perfleet/clickhouse';
import { ConfigError } from '@perfleet/config';
import { TOPICS, TOPIC_SPECS, type TopicName } from '@perfleet/messages';
import { openRedisNodeState, openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import type { Settings } from './settings.ts';

/** Creates the data directory and fails with one line when it cannot be written. */
export function ensureDataDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`the data directory ${path} is not writable (${cause}); choose another with --data DIR`);
  }
}

/** The embedded log; its topics exist when this resolves. */
export async function openStream(settings: Settings, logger: Logger): Promise<Stream> {
  if (settings.kafkaBrokers.length > 0)
    throw new ConfigError(
      'PERFLEET_KAFKA_BROKERS is set, but this version has no Kafka adapter yet; leave it empty to use the embedded log',
    );
  const stream = await openEmbeddedStream({ path: join(settings.dataDir, 'stream.db'), logger });
  const names = Object.keys(TOPICS) as TopicName[];
  await stream.ensureTopics(names.map((name) => ({ name: settings.topicPrefix + TOPICS[name], ...TOPIC_SPECS[name] })));
  return stream;
}

/** A ClickHouse server when its address is configured, the engine in this process otherwise. Migrated. */
export async function openProfileStore(settings: Settings): Promise<Store> {
  return settings.clickhouseUrl
    ? openStore({
        kind: 'server',
        url: settings.clickhouseUrl,
        user: settings.clickhouseUser,
        password: settings.clickhousePassword,
        database: settings.clickhouseDatabase,
      })
    : openStore({ kind: 'embedded', path: join(settings.dataDir, 'clickhouse') });
}

export async function openNodeState(settings: Settings): Promise<NodeStateStore> {
  return settings.redisUrl
    ? openRedisNodeState({ url: settings.redisUrl, prefix: `${settings.topicPrefix}perfleet` })
    : openSqliteNodeState({ path: join(settings.dataDir, 'node-state.db') });
}
