import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Clusters of one and of two shards, each of which is the engine itself: it asks itself without a socket. */
export const ONE = 'one';
export const TWO = 'two';

/**
 * The configuration of a server of a cluster, for an engine in this process. Keeper is ClickHouse's own stand-in within the process
 * (`testkeeper`): replicated tables can be made, exchanged, altered and dropped there, and are never written, since that takes a
 * server that others can fetch from.
 * @returns path of the file
 */
export function clusterConfig(directory: string, users = ''): string {
  mkdirSync(directory, { recursive: true });
  const shard = '<shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard>';
  const path = join(directory, 'config.xml');
  writeFileSync(
    path,
    `<clickhouse>
  <tcp_port>9000</tcp_port>
  <background_schedule_pool_size>8</background_schedule_pool_size>
  <zookeeper><implementation>testkeeper</implementation></zookeeper>
  <macros><shard>1</shard><replica>a</replica></macros>
  <remote_servers><${ONE}>${shard}</${ONE}><${TWO}>${shard}${shard}</${TWO}></remote_servers>
  ${users && `<users_config>${users}</users_config>`}
</clickhouse>`,
  );
  return path;
}

/** The same statement with the engine's own tables in the place of replicated ones: what is written can be read. */
export const plainTables = (sql: string) =>
  sql
    .replace(/Replicated(\w*MergeTree)\('[^']*', '[^']*'(?:, )?(.*?)\)\s/, '$1($2)\n')
    .replace(
      /\breplicated_deduplication_window = (\d+), replicated_deduplication_window_seconds = \d+/,
      'non_replicated_deduplication_window = $1',
    )
    .replace(/^SYSTEM SYNC REPLICA \w+/, 'SELECT 1');
