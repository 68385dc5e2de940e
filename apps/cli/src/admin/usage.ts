import type { Store } from '@perfleet/clickhouse';

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

export interface ShareUsage {
  readonly name: string;
  readonly rows: number;
  /** Its part of the samples' bytes by rows: rows of a table are not stored apart. */
  readonly bytes: number;
  readonly days: number;
}

type Row = Readonly<Record<string, unknown>>;
const text = (value: unknown) => String(value ?? '');

export async function tableUsage(store: Store): Promise<TableUsage[]> {
  const rows = await store.query<Row>(
    `SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, sum(data_uncompressed_bytes) AS raw,
       uniqExact(partition) AS partitions, toString(toDate(minIf(min_time, max_time > toDateTime(0)))) AS from,
       toString(toDate(max(max_time))) AS until, max(max_time) > toDateTime(0) AS timed
     FROM system.parts WHERE database = currentDatabase() AND active GROUP BY table ORDER BY bytes DESC`,
  );
  return rows.map((row) => ({
    table: text(row['table']),
    rows: Number(row['rows']),
    bytes: Number(row['bytes']),
    rawBytes: Number(row['raw']),
    partitions: Number(row['partitions']),
    from: row['timed'] ? text(row['from']) : '',
    until: row['timed'] ? text(row['until']) : '',
  }));
}

/** Samples by service or by node: most rows first. */
export async function samplesUsage(store: Store, by: 'service' | 'node', limit: number): Promise<ShareUsage[]> {
  const rows = await store.query<Row>(
    `SELECT l.name AS name, sum(s.rows) AS rows, uniqExact(s.day) AS days,
       (SELECT sum(bytes_on_disk) / greatest(1, sum(rows)) FROM system.parts
        WHERE database = currentDatabase() AND table = 'samples' AND active) AS bytes_a_row
     FROM (SELECT series, toDate(time) AS day, count() AS rows FROM samples GROUP BY series, day) AS s
     LEFT JOIN (SELECT series, ${by} AS name FROM series FINAL) AS l ON s.series = l.series
     GROUP BY name ORDER BY rows DESC, name LIMIT {limit:UInt32}`,
    { limit },
  );
  return rows.map((row) => ({
    name: text(row['name']),
    rows: Number(row['rows']),
    bytes: Math.round(Number(row['rows']) * Number(row['bytes_a_row'])),
    days: Number(row['days']),
  }));
}
