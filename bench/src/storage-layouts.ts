import type { Store } from '@perfleet/clickhouse';
import type { Cell, Table } from './report.ts';

interface Layout {
  readonly name: string;
  readonly order: string;
  readonly codecs: { readonly time: string; readonly ids: string; readonly value: string };
  /** Another type of the column series. */
  readonly series?: string;
}

const PLAIN = { time: 'T64, ZSTD(1)', ids: 'ZSTD(1)', value: 'ZSTD(1)' };
const BY_STACK = '(toStartOfTenMinutes(time), workload, stack, series, time)';
const BY_SERIES = '(toStartOfTenMinutes(time), series, stack, time)';

/** What the table `samples` could be; the first is what it is. */
const LAYOUTS: readonly Layout[] = [
  { name: 'workload, stack, series, time', order: BY_STACK, codecs: PLAIN },
  {
    name: 'series, stack, time (migrations 1 to 8)',
    order: BY_SERIES,
    codecs: { time: 'DoubleDelta, ZSTD(1)', ids: 'ZSTD(1)', value: 'T64, ZSTD(1)' },
  },
  {
    name: 'workload, series, stack, time',
    order: '(toStartOfTenMinutes(time), workload, series, stack, time)',
    codecs: PLAIN,
  },
  {
    name: 'workload, stack, time, series',
    order: '(toStartOfTenMinutes(time), workload, stack, time, series)',
    codecs: PLAIN,
  },
  { name: 'first, by the hour', order: BY_STACK.replace('TenMinutes', 'Hour'), codecs: PLAIN },
  { name: 'first, time DoubleDelta', order: BY_STACK, codecs: { ...PLAIN, time: 'DoubleDelta, ZSTD(1)' } },
  { name: 'first, time Delta', order: BY_STACK, codecs: { ...PLAIN, time: 'Delta, ZSTD(1)' } },
  { name: 'first, value T64', order: BY_STACK, codecs: { ...PLAIN, value: 'T64, ZSTD(1)' } },
  { name: 'first, ids Delta', order: BY_STACK, codecs: { ...PLAIN, ids: 'Delta, ZSTD(1)' } },
  { name: 'first, all ZSTD(3)', order: BY_STACK, codecs: { time: 'T64, ZSTD(3)', ids: 'ZSTD(3)', value: 'ZSTD(3)' } },
  { name: 'first, all ZSTD(9)', order: BY_STACK, codecs: { time: 'T64, ZSTD(9)', ids: 'ZSTD(9)', value: 'ZSTD(9)' } },
  { name: 'first, series LowCardinality', order: BY_STACK, codecs: PLAIN, series: 'LowCardinality(UInt64)' },
  {
    name: 'first, by the hour, series LowCardinality',
    order: BY_STACK.replace('TenMinutes', 'Hour'),
    codecs: PLAIN,
    series: 'LowCardinality(UInt64)',
  },
];

/** The rows of `samples` in other layouts, each merged: bytes a row by column, and what one service of all of them reads. */
export async function compareLayouts(
  store: Store,
  service: string,
  quick: boolean,
  progress: (line: string) => void,
): Promise<Table> {
  const columns = ['time', 'workload', 'series', 'stack', 'value'];
  const rows: Cell[][] = [];
  const [count] = await store.query<{ n: string }>('SELECT count() AS n FROM samples');
  for (const { name, order, codecs, series = 'UInt64' } of LAYOUTS.slice(0, quick ? 2 : undefined)) {
    progress(`layout ${name}`);
    await store.command(
      `CREATE TABLE layout (time DateTime('UTC') CODEC(${codecs.time}), workload UInt64 CODEC(${codecs.ids}), series ${series} CODEC(${codecs.ids}),
         stack UInt64 CODEC(${codecs.ids}), value UInt64 CODEC(${codecs.value}))
       ENGINE = MergeTree PARTITION BY toDate(time) PRIMARY KEY ${order.replace(', time)', ')')} ORDER BY ${order} SETTINGS min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0`,
      { settings: { allow_suspicious_low_cardinality_types: 1 } },
    );
    await store.command('INSERT INTO layout SELECT time, workload, series, stack, value FROM samples');
    await store.command('OPTIMIZE TABLE layout FINAL');
    const sizes = await store.query<{ column: string; bytes: string }>(
      `SELECT column, sum(column_bytes_on_disk) AS bytes FROM system.parts_columns WHERE active AND table = 'layout' GROUP BY column`,
    );
    const of = (column: string) => Number(sizes.find((each) => each.column === column)?.bytes ?? 0) / Number(count!.n);
    const each = columns.map(of);
    rows.push([
      name,
      each.reduce((a, b) => a + b, 0),
      ...each,
      await shareRead(store, service, order, Number(count!.n)),
    ]);
    await store.command('DROP TABLE layout SYNC');
  }
  return {
    title: 'Layouts of samples: bytes a row, merged',
    columns: ['sorted by (bucket,) …', 'all', ...columns, '% of rows read for one service'],
    rows,
  };
}

/** Of all rows, those that the engine has to read for one service: by the index of the layout. */
async function shareRead(store: Store, service: string, order: string, rows: number): Promise<number> {
  const [column, table] = order.includes('workload') ? ['workload', 'workloads'] : ['series', 'series'];
  const read = async () =>
    Number(
      (await store.query<{ value: string }>("SELECT value FROM system.events WHERE event = 'SelectedRows'"))[0]
        ?.value ?? 0,
    );
  const lookup = `SELECT ${column} FROM ${table} WHERE service = {service:String}`;
  const from = async (sql: string) => {
    const before = await read();
    await store.query(sql, { service });
    return (await read()) - before;
  };
  const both = await from(`SELECT stack, sum(value) FROM layout WHERE ${column} IN (${lookup}) GROUP BY stack LIMIT 1`);
  return (100 * (both - (await from(lookup)))) / rows;
}
