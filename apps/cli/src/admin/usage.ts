import { SHARDED, type Store } from '@perfleet/clickhouse';
import { firstOfEachShard, isSharded, type AdminServer, type Servers } from './servers.ts';

/** Each row once, however many servers have a copy of it. */
export interface TableUsage {
  readonly table: string;
  readonly rows: number;
  /** On disk, compressed. */
  readonly bytes: number;
  /** Before compression. */
  readonly rawBytes: number;
  readonly partitions: number;
  /** Oldest and newest day of the rows of tables by time, `YYYY-MM-DD`; else "". */
  readonly from: string;
  readonly until: string;
}

/** Of all tables: what one server has on its disk. */
export interface ServerUsage {
  readonly shard: string;
  readonly server: string;
  readonly rows: number;
  readonly bytes: number;
  readonly parts: number;
}

export interface ShareUsage {
  readonly name: string;
  readonly rows: number;
  /** Its part of the samples' bytes by rows: rows of a table are not stored apart. */
  readonly bytes: number;
  readonly days: number;
}

export interface StoreUsage {
  readonly tables: readonly TableUsage[];
  readonly servers: readonly ServerUsage[];
}

/** A partition of a table on one server. */
interface Held {
  readonly table: string;
  readonly partition: string;
  readonly rows: number;
  readonly bytes: number;
  readonly rawBytes: number;
  readonly parts: number;
  readonly from: string;
  readonly until: string;
}

type Row = Readonly<Record<string, unknown>>;
const text = (value: unknown) => String(value ?? '');
const sum = <T>(items: readonly T[], of: (item: T) => number) => items.reduce((all, item) => all + of(item), 0);

/** @throws ClickHouseError that names a server which is away */
export async function storeUsage(servers: Servers): Promise<StoreUsage> {
  const held = new Map<AdminServer, Held[]>();
  for (const server of servers.all) held.set(server, await partitionsOf(server.store, servers));
  const firsts = firstOfEachShard(servers);
  const once = firsts.flatMap((server, i) => held.get(server)!.filter(({ table }) => i === 0 || isSharded(table)));
  return {
    tables: [...Map.groupBy(once, ({ table }) => table)]
      .map(([table, all]) => tableOf(table, all))
      .sort((a, b) => b.bytes - a.bytes),
    servers: Array.from(held, ([{ shard, name }, all]) => ({
      shard,
      server: name,
      rows: sum(all, ({ rows }) => rows),
      bytes: sum(all, ({ bytes }) => bytes),
      parts: sum(all, ({ parts }) => parts),
    })),
  };
}

function tableOf(table: string, held: readonly Held[]): TableUsage {
  const days = (of: 'from' | 'until') =>
    held
      .map((each) => each[of])
      .filter((day) => day !== '')
      .sort();
  return {
    table,
    rows: sum(held, ({ rows }) => rows),
    bytes: sum(held, ({ bytes }) => bytes),
    rawBytes: sum(held, ({ rawBytes }) => rawBytes),
    partitions: new Set(held.map(({ partition }) => partition)).size,
    from: days('from')[0] ?? '',
    until: days('until').at(-1) ?? '',
  };
}

async function partitionsOf(store: Store, servers: Servers): Promise<Held[]> {
  const rows = await store.query<Row>(
    `SELECT table, partition, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, sum(data_uncompressed_bytes) AS raw, count() AS parts,
       toString(toDate(minIf(min_time, max_time > toDateTime(0)))) AS from, toString(toDate(max(max_time))) AS until,
       max(max_time) > toDateTime(0) AS timed
     FROM system.parts WHERE database = currentDatabase() AND active GROUP BY table, partition`,
  );
  const plain = new Map(SHARDED.map((table) => [servers.table(table), table as string]));
  return rows.map((row) => ({
    table: plain.get(text(row['table'])) ?? text(row['table']),
    partition: text(row['partition']),
    rows: Number(row['rows']),
    bytes: Number(row['bytes']),
    rawBytes: Number(row['raw']),
    parts: Number(row['parts']),
    from: row['timed'] ? text(row['from']) : '',
    until: row['timed'] ? text(row['until']) : '',
  }));
}

/** Samples by service or by node: most rows first. @param samples what the table of samples takes */
export async function samplesUsage(
  { store }: Servers,
  samples: TableUsage | undefined,
  by: 'service' | 'node',
  limit: number,
): Promise<ShareUsage[]> {
  const rows = await store.query<Row>(
    `SELECT l.name AS name, sum(s.rows) AS rows, uniqExact(s.day) AS days
     FROM (SELECT series, toDate(time) AS day, count() AS rows FROM samples GROUP BY series, day) AS s
     LEFT JOIN (SELECT series, ${by} AS name FROM series FINAL) AS l ON s.series = l.series
     GROUP BY name ORDER BY rows DESC, name LIMIT {limit:UInt32}`,
    { limit },
  );
  const bytesPerRow = samples ? samples.bytes / Math.max(1, samples.rows) : 0;
  return rows.map((row) => ({
    name: text(row['name']),
    rows: Number(row['rows']),
    bytes: Math.round(Number(row['rows']) * bytesPerRow),
    days: Number(row['days']),
  }));
}
