import type { Store } from '@perfleet/clickhouse';
import type { Cell, Table } from './report.ts';

interface Layout {
  readonly name: string;
  readonly order: string;
  readonly codecs: { readonly time: string; readonly ids: string; readonly series?: string; readonly value: string };
  /** Another type of the column series. */
  readonly series?: string;
}

const PLAIN = { time: 'T64, ZSTD(1)', ids: 'ZSTD(1)', value: 'ZSTD(1)' };
const STEPS = { ...PLAIN, time: "Delta(4), T64('bit'), ZSTD(1)", series: 'ZSTD(3)' };
const DICTIONARY = 'LowCardinality(UInt64)';
const within = (minutes: number, rest: string) => `(toStartOfInterval(time, INTERVAL ${minutes} MINUTE), ${rest})`;
const BY_TIME = 'workload, stack, time, series';
const BY_SERIES = 'workload, stack, series, time';

/** What the table `samples` could be; the first is what it is. */
const LAYOUTS: readonly Layout[] = [
  { name: '20 min: workload, stack, time, series', order: within(20, BY_TIME), codecs: STEPS, series: DICTIONARY },
  { name: '10 min: workload, stack, series, time (migrations 9 to 15)', order: within(10, BY_SERIES), codecs: PLAIN },
  {
    name: '10 min: series, stack, time (migrations 1 to 8)',
    order: within(10, 'series, stack, time'),
    codecs: { time: 'DoubleDelta, ZSTD(1)', ids: 'ZSTD(1)', value: 'T64, ZSTD(1)' },
  },
  { name: 'first, 10 min', order: within(10, BY_TIME), codecs: STEPS, series: DICTIONARY },
  { name: 'first, 30 min', order: within(30, BY_TIME), codecs: STEPS, series: DICTIONARY },
  { name: 'first, 60 min', order: within(60, BY_TIME), codecs: STEPS, series: DICTIONARY },
  { name: 'first, series UInt64', order: within(20, BY_TIME), codecs: STEPS },
  {
    name: 'first, series before time',
    order: within(20, BY_SERIES),
    codecs: { ...STEPS, time: PLAIN.time },
    series: DICTIONARY,
  },
  {
    name: 'first, time Delta, T64 by bytes',
    order: within(20, BY_TIME),
    codecs: { ...STEPS, time: 'Delta(4), T64, ZSTD(1)' },
    series: DICTIONARY,
  },
  {
    name: 'first, time DoubleDelta',
    order: within(20, BY_TIME),
    codecs: { ...STEPS, time: 'DoubleDelta, ZSTD(1)' },
    series: DICTIONARY,
  },
  {
    name: 'first, series ZSTD(1)',
    order: within(20, BY_TIME),
    codecs: { ...STEPS, series: 'ZSTD(1)' },
    series: DICTIONARY,
  },
  {
    name: 'first, ids ZSTD(9)',
    order: within(20, BY_TIME),
    codecs: { ...STEPS, ids: 'ZSTD(9)', series: 'ZSTD(9)' },
    series: DICTIONARY,
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
      `CREATE TABLE layout (time DateTime('UTC') CODEC(${codecs.time}), workload UInt64 CODEC(${codecs.ids}), series ${series} CODEC(${codecs.series ?? codecs.ids}),
         stack UInt64 CODEC(${codecs.ids}), value UInt64 CODEC(${codecs.value}))
       ENGINE = MergeTree PARTITION BY toDate(time) PRIMARY KEY ${order.replace(/, (time, series|series, time|stack, time)\)$/, ')')} ORDER BY ${order} SETTINGS min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0`,
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
