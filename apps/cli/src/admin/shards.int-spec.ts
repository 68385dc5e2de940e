import { EmbeddedStore, localTable, migrate, SHARDED, type Store } from '@perfleet/clickhouse';
import { tempDir } from '@perfleet/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkStore } from './check.ts';
import { drop, planDrop } from './drop.ts';
import type { AdminServer, Servers } from './servers.ts';
import { samplesUsage, storeUsage } from './usage.ts';

/** Of two shards the second has two replicas. Each server is a database of the engine in this process, with connections of its own. */
const NAMES = ['a1', 'b1', 'b2'] as const;
const dir = tempDir('perfleet-admin-shards-');
let store: EmbeddedStore;
let servers: Servers;
const of = (name: (typeof NAMES)[number]) => servers.all.find((one) => one.name === name)!.store;

const DAY = 86_400;
const today = Math.floor(Date.now() / DAY / 1000) * DAY;
const day = (ago: number) => new Date((today - ago * DAY) * 1000).toISOString().slice(0, 10);
/** Series are numbers in a dictionary, which the engine wants to be told of wherever such a column is made. */
const SUSPICIOUS = { settings: { allow_suspicious_low_cardinality_types: 1 } };
/** Those that every server has whole. */
const EVERYWHERE = ['series', 'workloads', 'stacks', 'frames', 'delivery_log'];

beforeAll(async () => {
  store = new EmbeddedStore(dir.path);
  await migrate(store);
  const all: AdminServer[] = [];
  for (const name of NAMES) {
    await store.command(`CREATE DATABASE ${name}`);
    await makeServer(name);
    all.push({ shard: name[0]!, name, store: await connect(name) });
  }
  // What goes through `Distributed` on a real one; that it answers alike is shown where queries are.
  for (const table of SHARDED) {
    await store.command(`RENAME TABLE ${table} TO ${table}_alone`);
    const rows = ['a1', 'b1'].map((name) => `SELECT * FROM ${name}.${localTable(table)}`);
    await store.command(`CREATE VIEW ${table} AS ${rows.join(' UNION ALL ')}`, SUSPICIOUS);
  }
  servers = { all, store, table: localTable, close: async () => undefined };
});
afterAll(async () => {
  for (const server of servers?.all ?? []) await server.store.close();
  await store?.close();
  dir.remove();
});

async function makeServer(database: string): Promise<void> {
  for (const table of SHARDED)
    await store.command(`CREATE TABLE ${database}.${localTable(table)} AS default.${table}`, SUSPICIOUS);
  // What is out of retention stays until it is looked at.
  await store.command(`SYSTEM STOP TTL MERGES ${database}.samples_local`);
  for (const table of EVERYWHERE) await store.command(`CREATE TABLE ${database}.${table} AS default.${table}`);
  const [view] = await store.query<{ text: string }>(
    `SELECT create_table_query AS text FROM system.tables WHERE database = 'default' AND name = 'deliveries'`,
  );
  await store.command(view!.text.replaceAll('default.', `${database}.`));
  for (const [table, bucket] of [
    ['samples_10m_local', 'toStartOfTenMinutes'],
    ['samples_1d_local', 'toStartOfDay'],
  ])
    await store.command(
      `CREATE MATERIALIZED VIEW ${database}.of_${table} TO ${database}.${table} AS
       SELECT ${bucket}(s.time) AS time, workload, stack, sum(value) AS value FROM ${database}.samples_local AS s GROUP BY ALL`,
    );
}

/** Connections whose current database is this one, as those to a server are. */
async function connect(database: string): Promise<Store> {
  const own = new EmbeddedStore(dir.path);
  // At once, so that each of its connections gets one.
  const databases = async () =>
    (await Promise.all([0, 1].map(() => own.query<{ d: string }>('SELECT currentDatabase() AS d')))).flat();
  await Promise.all([0, 1].map(() => own.command(`USE ${database}`)));
  expect(await databases()).toEqual([{ d: database }, { d: database }]);
  return own;
}

/** Samples of two services: of `shop` on both shards, of `cart` on the second. Ids: series 1 and 2, stack 10 of frame 100. */
async function fill(): Promise<void> {
  for (const { name } of servers.all) {
    for (const table of [...SHARDED.map(localTable), ...EVERYWHERE])
      await store.command(`TRUNCATE TABLE ${name}.${table}`);
    await everywhere(name);
  }
  await store.command('TRUNCATE TABLE series');
  await everywhere('default');
  await sample('a1', 0, 1);
  await sample('a1', 2, 1);
  for (const replica of ['b1', 'b2']) {
    await sample(replica, 1, 1);
    await sample(replica, 1, 2);
  }
}

async function everywhere(database: string): Promise<void> {
  const series = (id: number, node: string, service: string) =>
    `(${id}, ${id}, 'c', '${node}', '', '', '', '', '', '${service}', 'p', 'cpu', 'nanoseconds', 1, map(), now())`;
  await store.command(`INSERT INTO ${database}.series VALUES ${series(1, 'n1', 'shop')}, ${series(2, 'n2', 'cart')}`);
  if (database === 'default') return;
  await store.command(`INSERT INTO ${database}.workloads (workload, seen) VALUES (1, today()), (2, today())`);
  await store.command(`INSERT INTO ${database}.stacks (stack, frames) VALUES (10, [100])`);
  await store.command(`INSERT INTO ${database}.frames (frame) VALUES (100)`);
}

const sample = (server: string, ago: number, series: number, stack = 10) =>
  store.command(
    `INSERT INTO ${server}.samples_local (time, workload, series, stack, value) VALUES (toDateTime(${today - ago * DAY + 60}), ${series}, ${series}, ${stack}, 5)`,
  );

const found = async () =>
  Object.fromEntries(
    (await checkStore(servers)).flatMap((f) => (f.count > 0 ? [[f.check, [f.count, ...f.examples]]] : [])),
  );

it('usage counts each row once, whoever has copies of it, and tells what each server holds', async () => {
  await fill();
  const { tables, servers: held } = await storeUsage(servers);
  const table = (name: string) => tables.find((each) => each.table === name);
  expect(table('samples')).toMatchObject({ rows: 4, partitions: 3, from: day(2), until: day(0) });
  expect(table('samples_10m')).toMatchObject({ rows: 4 });
  expect(table('series')).toMatchObject({ rows: 2 });
  expect(tables.filter(({ table: name }) => name.endsWith('_local'))).toEqual([]);
  // Samples, two roll-ups; two series and workloads, a stack and a frame.
  expect(held.map(({ shard, server, rows }) => [shard, server, rows])).toEqual([
    ['a', 'a1', 12],
    ['b', 'b1', 12],
    ['b', 'b2', 12],
  ]);
  const shares = async (by: 'service' | 'node') =>
    (await samplesUsage(servers, table('samples'), by, 10)).map(({ name, rows, days }) => [name, rows, days]);
  expect(await shares('service')).toEqual([
    ['shop', 3, 3],
    ['cart', 1, 1],
  ]);
  expect(await shares('node')).toEqual([
    ['n1', 3, 3],
    ['n2', 1, 1],
  ]);
  const bytes = (await samplesUsage(servers, table('samples'), 'node', 10)).reduce(
    (sum, share) => sum + share.bytes,
    0,
  );
  expect(Math.abs(bytes - table('samples')!.bytes)).toBeLessThanOrEqual(2);
});

it('check finds what is wrong on any shard, and says where', async () => {
  await fill();
  expect(await found()).toEqual({});
  await sample('b1', 0, 1, 77);
  await sample('b2', 0, 1, 77);
  // A name that one server lacks.
  await of('b1').command('TRUNCATE TABLE frames');
  await of('a1').command('TRUNCATE TABLE samples_10m_local');
  await of('b1').command(
    `INSERT INTO samples_local (time, workload, series, stack, value) VALUES (toDateTime(${today - 40 * DAY}), 1, 1, 10, 1)`,
  );
  expect(await found()).toEqual({
    'samples without their stack': [1, 'shard b: 77'],
    'stacks with a frame that is missing': [1, 'shard b: 10'],
    'days whose sum in samples_10m is another': [1, `shard a: ${day(2)}`],
    'partitions out of retention': [1, `shard b: samples_local ${day(40)}`],
  });
});

it('drop takes the days from every shard, and no other', async () => {
  await fill();
  const plan = await planDrop(servers, day(2), day(1));
  expect(plan).toMatchObject({
    partitions: [day(2), day(1)].map((d) => d.replaceAll('-', '')),
    rows: 3,
    rollUpRows: 6,
  });
  await drop(servers, plan);
  const days = (table: string) => servers.store.query(`SELECT DISTINCT toString(toDate(time)) AS day FROM ${table}`);
  for (const table of ['samples', 'samples_10m', 'samples_1d']) expect(await days(table)).toEqual([{ day: day(0) }]);
  // Replication, which takes it to the second replica, is not there.
  expect((await of('b2').query('SELECT count() AS n FROM samples_local'))[0]).toEqual({ n: '2' });
  expect(await found()).toEqual({});
});
