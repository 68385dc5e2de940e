import { openStore, serveClickhouse, storeEngine, type ClickhouseHttp, type Store } from '@perfleet/clickhouse';
import { tempDir } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkStore } from './check.ts';
import { drop, parseDay, planDrop } from './drop.ts';
import { readRetention, setRetention } from './retention.ts';
import { oneServer } from './servers.ts';
import { samplesUsage, storeUsage } from './usage.ts';

const dir = tempDir('perfleet-admin-');
let embedded: Store;
let server: Store;
let http: ClickhouseHttp;

const today = Math.floor(Date.now() / 86_400_000) * 86_400;
const day = (ago: number) => new Date((today - ago * 86_400) * 1000).toISOString().slice(0, 10);

beforeAll(async () => {
  embedded = await openStore({ kind: 'embedded', path: dir.path });
  // What is out of retention stays until it is looked at.
  await embedded.command('SYSTEM STOP TTL MERGES samples');
  http = await serveClickhouse({ engine: storeEngine(embedded), scope: 'admin', port: 0 });
  server = await openStore({ kind: 'server', url: http.url });
});
afterAll(async () => {
  await server?.close();
  await http?.close();
  await embedded?.close();
  dir.remove();
});

const found = async (store: Store) =>
  Object.fromEntries(
    (await checkStore(oneServer(store))).flatMap((f) => (f.count > 0 ? [[f.check, [f.count, ...f.examples]]] : [])),
  );

/** Two services on two nodes, three days. Ids: series 1 and 2, stack 10 of frames 100 and 101. */
async function fill(store: Store): Promise<void> {
  for (const table of [
    'samples',
    'linked_samples',
    'samples_10m',
    'samples_1d',
    'series',
    'workloads',
    'stacks',
    'frames',
    'delivery_log',
  ])
    await store.command(`TRUNCATE TABLE ${table}`);
  const series = (id: number, node: string, service: string) =>
    `(${id}, 'c', '${node}', '', '', '', '', '', '${service}', 'p', 'cpu', 'nanoseconds', 1, map(), now())`;
  await store.command(
    `INSERT INTO series (* EXCEPT(workload)) VALUES ${series(1, 'n1', 'shop')}, ${series(2, 'n2', 'cart')}`,
  );
  await store.command('INSERT INTO stacks (* EXCEPT(seen)) VALUES (10, [100, 101])');
  const frame = (id: number) => `(${id}, 'native', 'b', ${id}, '', '', 0, 'm')`;
  await store.command(`INSERT INTO frames (* EXCEPT(seen)) VALUES ${frame(100)}, ${frame(101)}`);
  const sample = (ago: number, id: number) => `(toDateTime(${today - ago * 86_400 + 60}), ${id}, 10, 5)`;
  await store.command(
    `INSERT INTO samples (* EXCEPT(workload)) VALUES ${sample(0, 1)}, ${sample(0, 2)}, ${sample(1, 1)}, ${sample(3, 1)}`,
  );
  await store.command(`INSERT INTO linked_samples (* EXCEPT(workload))
    SELECT time, series, stack, repeat('t', 16), repeat('s', 8), value FROM samples WHERE series = 1`);
  await deliver(store, 1, 5, 5);
}

const deliver = (store: Store, seq: number, taken: number, stored: number, offset = seq) =>
  store.command(
    `INSERT INTO delivery_log VALUES (toDateTime64('2026-01-01 00:00:00', 3), 'n1', 'e', toDateTime64(0, 3), ${seq}, 't', 0, ${offset}, ` +
      `${taken}, ${stored}, map(), 0, 0, 0, toDateTime(0))`,
  );

describe.each(['embedded', 'server'] as const)('admin of the %s store', (kind) => {
  const store = () => (kind === 'embedded' ? embedded : server);

  it('tells what tables, services and nodes hold', async () => {
    await fill(store());
    const { tables, servers } = await storeUsage(oneServer(store()));
    const samples = tables.find(({ table }) => table === 'samples')!;
    expect(servers).toEqual([
      { shard: '', server: '', rows: expect.any(Number), bytes: expect.any(Number), parts: expect.any(Number) },
    ]);
    expect(servers[0]!.bytes).toBe(tables.reduce((all, { bytes: each }) => all + each, 0));
    expect(samples).toMatchObject({ rows: 4, partitions: 3, from: day(3), until: day(0) });
    expect(samples.rawBytes).toBeGreaterThan(4 * 28);
    expect(samples.bytes).toBeGreaterThan(0);
    const shares = async (by: 'service' | 'node', limit: number) =>
      (await samplesUsage(oneServer(store()), samples, by, limit)).map(({ name, rows, days }) => [name, rows, days]);
    expect(await shares('service', 10)).toEqual([
      ['shop', 3, 3],
      ['cart', 1, 1],
    ]);
    expect(await shares('node', 1)).toEqual([['n1', 3, 3]]);
    const bytes = (await samplesUsage(oneServer(store()), samples, 'node', 10)).reduce(
      (sum, share) => sum + share.bytes,
      0,
    );
    expect(Math.abs(bytes - samples.bytes)).toBeLessThanOrEqual(2);
  });

  it('finds nothing wrong in a sound store, and each thing that is', async () => {
    await fill(store());
    expect(await found(store())).toEqual({});
    await store().command(
      `INSERT INTO samples (* EXCEPT(workload)) VALUES (toDateTime(${today}), 7, 10, 1), (toDateTime(${today}), 1, 77, 1)`,
    );
    await store().command('INSERT INTO stacks (* EXCEPT(seen)) VALUES (11, [100, 999])');
    await store().command(
      `INSERT INTO samples (* EXCEPT(workload)) VALUES (toDateTime(${today - 40 * 86_400}), 1, 10, 1)`,
    );
    // The same place in the stream twice, in blocks that differ: what deduplication cannot see.
    await deliver(store(), 2, 12, 5);
    await deliver(store(), 2, 12, 4);
    await store().command(
      `INSERT INTO linked_samples (* EXCEPT(workload)) VALUES (toDateTime(${today}), 8, 78, repeat('t', 16), '', 1)`,
    );
    await store().command('TRUNCATE TABLE samples_10m');
    const wrong = await found(store());
    expect(wrong).toMatchObject({
      'days whose sum in samples_10m is another': [2, day(3), day(1)],
      'samples without their workload': [2, '7', '8'],
      'samples without their series': [2, '7', '8'],
      'samples without their stack': [2, '77', '78'],
      'stacks with a frame that is missing': [1, '11'],
      'partitions out of retention': [1, `samples ${day(40)}`],
      'messages stored twice': [1, 't 0:2'],
      'deliveries that do not balance': [1, 'n1 e: -2'],
    });
  });

  it('drops the days that are named and no other', async () => {
    await fill(store());
    const none = await planDrop(oneServer(store()), day(2), day(2));
    expect(none).toMatchObject({ partitions: [], rows: 0, bytes: 0, rollUpRows: 0 });
    const plan = await planDrop(oneServer(store()), day(3), day(1));
    expect(plan).toMatchObject({
      partitions: [day(3), day(1)].map((d) => d.replaceAll('-', '')),
      rows: 2,
      rollUpRows: 4,
    });
    await drop(oneServer(store()), plan);
    for (const table of ['samples', 'linked_samples', 'samples_10m', 'samples_1d'])
      expect(await store().query(`SELECT DISTINCT toString(toDate(time)) AS day FROM ${table}`)).toEqual([
        { day: day(0) },
      ]);
    expect(await found(store())).toEqual({});
    await expect(planDrop(oneServer(store()), day(0), day(1))).rejects.toThrow('is after --until');
  });
});

it('keeps each tier for the days that it is told, and names for longer', async () => {
  const store = embedded;
  expect(await readRetention(oneServer(store))).toEqual({ raw: 14, tenMinutes: 90, day: 400 });
  const ttl = async (table: string) =>
    (
      await store.query<{ days: string }>(
        `SELECT extract(create_table_query, 'TTL.*toIntervalDay.(\\\\d+)') AS days FROM system.tables WHERE name = '${table}' AND database = currentDatabase()`,
      )
    ).map(({ days }) => Number(days));
  await setRetention(oneServer(store), { raw: 30, tenMinutes: 90, day: 800 });
  expect(await readRetention(oneServer(store))).toEqual({ raw: 30, tenMinutes: 90, day: 800 });
  for (const table of ['stacks', 'frames', 'workloads']) expect(await ttl(table)).toEqual([900]);
  expect(await ttl('series')).toEqual([46]);
  expect(await ttl('linked_samples')).toEqual([30]);
  await expect(setRetention(oneServer(store), { raw: 10, tenMinutes: 90, day: 400 })).rejects.toThrow('at least 14');
  await expect(setRetention(oneServer(store), { raw: 30, tenMinutes: 20, day: 400 })).rejects.toThrow('coarser tier');
  await setRetention(oneServer(store), { raw: 14, tenMinutes: 90, day: 400 });
  expect([await ttl('stacks'), await ttl('samples'), await ttl('linked_samples')]).toEqual([[500], [14], [14]]);
});

it('drops stacks and frames that nothing can refer to, and none that was seen since', async () => {
  const store = embedded;
  const term = (ago: number) => `toDate(toUInt16(intDiv(toUInt16(today()) - ${ago}, 30) * 30))`;
  for (const table of ['samples', 'stacks', 'frames']) await store.command(`TRUNCATE TABLE ${table}`);
  await store.command(
    `INSERT INTO stacks VALUES (1, [10], ${term(600)}), (2, [20], ${term(600)}), (3, [30], ${term(460)})`,
  );
  await store.command(`INSERT INTO frames (frame, seen) VALUES (10, ${term(600)}), (20, ${term(600)})`);
  // Stack 2 comes back while its old row is about to go: it is written again before its samples, into the term of today.
  await store.command(`INSERT INTO stacks (stack, frames) VALUES (2, [20])`);
  await store.command(`INSERT INTO frames (frame) VALUES (20)`);
  for (const table of ['stacks', 'frames']) await store.command(`OPTIMIZE TABLE ${table} FINAL`);
  expect(await store.query('SELECT DISTINCT stack FROM stacks ORDER BY stack')).toEqual([
    { stack: '2' },
    { stack: '3' },
  ]);
  expect(await store.query('SELECT DISTINCT frame FROM frames')).toEqual([{ frame: '20' }]);
});

it.each(['2026-13-01', '2026-02-30', 'today', '2026-1-1'])('%s is no day', (text) =>
  expect(() => parseDay('--from', text)).toThrow(`--from ${text}: expected a day (UTC)`),
);
