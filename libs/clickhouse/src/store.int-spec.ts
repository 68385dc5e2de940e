import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  arrays,
  migrate,
  MIGRATIONS,
  openStore,
  RowBinaryBlock,
  serveClickhouse,
  storeEngine,
  TABLES,
  texts,
  u32,
  u64,
  type ClickhouseHttp,
  type Store,
} from './index.ts';
import { ServerStore } from './server.ts';

const path = mkdtempSync(join(tmpdir(), 'clickhouse-spec-'));
let store: Store;
let http: ClickhouseHttp;

beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path });
  http = await serveClickhouse({ engine: storeEngine(store), scope: 'admin', port: 0 });
});
afterAll(async () => {
  await http?.close();
  await store?.close();
  rmSync(path, { recursive: true, force: true });
});

/** Reads for as long as nobody ends it. */
const ENDLESS = 'SELECT sum(sleepEachRow(0.01)) FROM numbers(1000000) SETTINGS max_block_size = 10';

const BIG = 0xfedc_ba98_7654_3210n;

describe('embedded store', () => {
  it('ends what is being read when it closes', async () => {
    const other = await openStore({ kind: 'embedded', path });
    const ended = expect(other.query(ENDLESS)).rejects.toThrow(/Code: 394|cancelled/i);
    await waitFor(
      async () => {
        const [row] = await store.query<{ n: string }>(
          "SELECT count() AS n FROM system.processes WHERE query LIKE '%sleepEachRow%' AND query NOT LIKE '%processes%'",
        );
        return row?.n === '1';
      },
      { timeoutMs: 30_000, what: 'the query to run' },
    );
    await other.close();
    await ended;
  });

  it('applies every migration once', async () => {
    const versions = MIGRATIONS.map((m) => m.version);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    expect(versions.slice(0, 2)).toEqual([1, 2]);
    expect(await migrate(store)).toEqual([]);
    expect(await store.query('SELECT version FROM schema_migrations ORDER BY version')).toEqual(
      versions.map((version) => ({ version })),
    );
  });

  it('inserts a block byte for byte, once per token', async () => {
    const block = (stack: bigint) => {
      const b = new RowBinaryBlock();
      for (let i = 0; i < 1000; i++)
        b.dateTime(Math.floor(Date.now() / 1000))
          .u64(7n)
          .u64(BIG)
          .u64(stack)
          .u64(BigInt(i))
          .row();
      return b;
    };
    await store.insert('samples', TABLES.samples, block(1n), 'a');
    await store.insert('samples', TABLES.samples, block(1n), 'a');
    await store.insert('samples', TABLES.samples, block(1n), 'b');
    const [row] = await store.query(
      'SELECT count() AS n, sum(value) AS v, any(series) AS s FROM samples WHERE stack = 1',
    );
    expect(row).toEqual({ n: '2000', v: '999000', s: String(BIG) });
  });

  it('reads of a day that is merged little more than the minutes that are asked for', async () => {
    const day = Math.floor(Date.now() / 86_400_000) * 86_400 - 86_400;
    // 1,440 minutes of 4 workloads with 100 stacks, and each as often again from another series.
    await store.command(
      `INSERT INTO samples SELECT toDateTime(${day} + number % 1440 * 60), 50 + intDiv(number, 1440) % 4, number % 2, intDiv(number, 5760), 1
       FROM numbers(1152000)`,
    );
    for (const table of ['samples', 'samples_10m', 'samples_1d']) await store.command(`OPTIMIZE TABLE ${table} FINAL`);
    const selected = async () =>
      Number(
        (await store.query<{ v: string }>("SELECT value AS v FROM system.events WHERE event = 'SelectedRows'"))[0]!.v,
      );
    const read = async (table: string, condition: string) => {
      const before = await selected();
      await store.query(`SELECT sum(value) AS v FROM ${table} WHERE workload >= 50 AND workload < 54 AND ${condition}`);
      return (await selected()) - before;
    };
    const within = (from: number, until: number) =>
      `time >= toDateTime(${day + from}, 'UTC') AND time < toDateTime(${day + until}, 'UTC')`;
    const all = 1_152_000;
    expect(await read('samples', within(36_000, 36_300))).toBeLessThan(all / 20);
    const rolledUp = 144 * 4 * 100;
    expect(await read('samples_10m', `${within(14_400, 28_200)}`)).toBeLessThan(rolledUp / 2);
  });

  it('writes strings, arrays, maps and times', async () => {
    await store.command(
      `CREATE TABLE kinds (a UInt8, b UInt16, c Int64, s String, l Array(String), m Map(String, UInt64), t DateTime64(3, 'UTC')) ENGINE = Memory`,
    );
    const b = new RowBinaryBlock(1);
    b.u8(255)
      .u16(65535)
      .i64(-5n)
      .str('é\0'.repeat(200))
      .array(['x', ''], (w, v) => w.str(v));
    b.map([['k', 7n]], (w, v) => w.u64(v))
      .dateTime64(1_700_000_000_123)
      .row();
    const columns = [
      ['a', 'UInt8'],
      ['b', 'UInt16'],
      ['c', 'Int64'],
      ['s', 'String'],
      ['l', 'Array(String)'],
      ['m', 'Map(String, UInt64)'],
      ['t', "DateTime64(3, 'UTC')"],
    ];
    await store.insert(
      'kinds',
      columns.map(([name, type]) => ({ name: name!, type: type! })),
      b,
      'k',
    );
    expect((await store.columns('SELECT * FROM kinds')).rows).toEqual([
      [255, 65535, '-5', 'é\0'.repeat(200), ['x', ''], { k: '7' }, '2023-11-14 22:13:20.123'],
    ]);
  });

  it('answers typed columns, in process and over HTTP, over several blocks and for no rows', async () => {
    const server = await openStore({ kind: 'server', url: http.url });
    const sql = `SELECT toUInt64({big:UInt64} - number) AS id, toUInt32(number) AS n, toUInt8(number % 2) AS odd, toString(number % 3) AS text,
      arrayMap(i -> i + number, range(number % 4)) AS list, arrayMap(i -> toString(i), range(number % 2)) AS words
      FROM numbers({rows:UInt64}) SETTINGS max_block_size = 1000`;
    try {
      for (const each of [store, server]) {
        const found = await each.native(sql, { big: BIG, rows: 5000 });
        expect(found.rows).toBe(5000);
        expect(u64(found, 'id')[4999]).toBe(BIG - 4999n);
        expect(u32(found, 'n').reduce((a, b) => a + b)).toBe((4999 * 5000) / 2);
        expect(texts(found, 'text').slice(-3)).toEqual(['2', '0', '1']);
        const list = arrays<BigUint64Array>(found, 'list');
        expect([...list.values.subarray(list.offsets[4999], list.offsets[5000])]).toEqual([4999n, 5000n, 5001n]);
        const words = arrays<string[]>(found, 'words');
        expect(words.values.slice(words.offsets[4998], words.offsets[5000])).toEqual(['0']);
        expect(u64(await each.native(sql, { big: BIG, rows: 0 }), 'id')).toHaveLength(0);
        await expect(each.native('SELECT toFloat64(1) AS x')).rejects.toThrow(/Float64.*cast/);
        await expect(each.native('SELECT nope')).rejects.toMatchObject({ code: 47 });
      }
    } finally {
      await server.close();
    }
  });

  it('binds parameters as values and never as text', async () => {
    const hostile = "x' OR 1=1 -- \\ {n:UInt8} `";
    const [row] = await store.query(
      "SELECT {s:String} AS s, {a:Array(String)} AS a, {u:UInt64} AS u, '{s:String}' AS t, number AS n FROM numbers(9) LIMIT {n:UInt8}",
      { s: hostile, a: [hostile, 'b'], u: BIG, n: 1 },
    );
    expect(row).toEqual({ s: hostile, a: [hostile, 'b'], u: String(BIG), t: '{s:String}', n: '0' });
    await expect(store.query('SELECT {gone:String}')).rejects.toMatchObject({ code: 456 });
  });

  it('keeps a setting with its query', async () => {
    await expect(
      store.query('SELECT sleep(0.01), number FROM numbers(10)', {}, { settings: { max_rows_to_read: 1 } }),
    ).rejects.toMatchObject({ code: 158 });
    for (let i = 0; i < 4; i++)
      expect(await store.query('SELECT count() AS n FROM numbers(10)')).toEqual([{ n: '10' }]);
  });

  it('runs an insert while a long query runs, and ends the query when it is aborted', async () => {
    const abort = new AbortController();
    const long = store.query(
      'SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 7',
      {},
      { abortSignal: abort.signal },
    );
    const ended = expect(long).rejects.toMatchObject({ code: 394 });
    const running = () =>
      store.query(
        `SELECT query_id FROM system.processes WHERE position(query, concat('numbers(1000', '00000000)')) > 0`,
      );
    await expect.poll(running, { timeout: 5000 }).toHaveLength(1);
    await store.insert(
      'samples',
      TABLES.samples,
      new RowBinaryBlock().dateTime(1).u64(1n).u64(1n).u64(9n).u64(1n).row(),
      'while',
    );
    abort.abort();
    await ended;
    await expect.poll(running, { timeout: 5000 }).toHaveLength(0);
  });

  it('names the directory that another process holds or nobody can write', async () => {
    const script = `const { Session } = require('chdb'); try { new Session(${JSON.stringify(path)}); console.log('opened') } catch { console.log('held') }`;
    expect(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 20_000 })).toContain('held');
    await expect(openStore({ kind: 'embedded', path: '/proc/none' })).rejects.toThrow(
      /data directory \/proc\/none cannot be written.*make it writable/s,
    );
    await expect(openStore({ kind: 'embedded', path: `${path}-other` })).rejects.toThrow(
      /-other cannot be opened: .*one directory per process/s,
    );
  });
});

describe('HTTP face', () => {
  it('serves @clickhouse/client: parameters, formats, binary and text inserts, errors', async () => {
    const client = createClient({
      url: http.url,
      log: { level: ClickHouseLogLevel.OFF },
      compression: { response: true, request: true },
    });
    try {
      expect((await client.ping()).success).toBe(true);
      await client.command({ query: 'CREATE TABLE h (id UInt64, name String) ENGINE = MergeTree ORDER BY id' });
      await client.insert({ table: 'h', values: [{ id: String(BIG), name: "it's\té" }], format: 'JSONEachRow' });
      const found = await client.query({
        query: 'SELECT * FROM h WHERE name = {n:String}',
        query_params: { n: "it's\té" },
        format: 'JSONEachRow',
      });
      expect(await found.json()).toEqual([{ id: String(BIG), name: "it's\té" }]);
      const json = await client.query({ query: 'SELECT 1 AS one', format: 'JSON' });
      expect(await json.json()).toMatchObject({ meta: [{ name: 'one', type: 'UInt8' }], data: [{ one: 1 }], rows: 1 });
      await expect(client.query({ query: 'SELECT nope FROM h' })).rejects.toMatchObject({
        code: '47',
        type: 'UNKNOWN_IDENTIFIER',
      });
    } finally {
      await client.close();
    }
  });

  it('takes a binary body byte for byte, statement in the URL or before it', async () => {
    await store.command('CREATE TABLE bin (id UInt64, name String) ENGINE = MergeTree ORDER BY id');
    const block = (from: bigint) => {
      const b = new RowBinaryBlock();
      for (let i = 0n; i < 500n; i++)
        b.u64(BIG - from - i)
          .str('ÿþ\0')
          .row();
      return new Uint8Array(b.bytes());
    };
    const post = (query: string, body: Uint8Array<ArrayBuffer> | string) =>
      fetch(`${http.url}/?query=${encodeURIComponent(query)}`, { method: 'POST', body });
    expect((await post('INSERT INTO bin FORMAT RowBinary', block(0n))).status).toBe(200);
    const joined = Buffer.concat([Buffer.from('INSERT INTO bin (id, name) FORMAT RowBinary\n'), block(1000n)]);
    expect((await fetch(http.url, { method: 'POST', body: new Uint8Array(joined) })).status).toBe(200);
    const [row] = await store.query(
      'SELECT count() AS n, max(id) AS m, uniqExact(id) AS u, uniqExact(name) AS s FROM bin',
    );
    expect(row).toEqual({ n: '1000', m: String(BIG), u: '1000', s: '1' });
  });

  it('asks for the columns of a table once, until somebody changes one', async () => {
    const insert = async (bytes: readonly number[]) => {
      const query = encodeURIComponent('INSERT INTO changed FORMAT RowBinary');
      const answer = await fetch(`${http.url}/?query=${query}`, { method: 'POST', body: Uint8Array.from(bytes) });
      return answer.ok ? 'done' : answer.text();
    };
    const asked = async () => {
      const [row] = await store.query<{ n: string }>("SELECT value AS n FROM system.events WHERE event = 'Query'");
      return Number(row?.n ?? 0);
    };
    await store.command('CREATE TABLE changed (a UInt8) ENGINE = MergeTree ORDER BY a');
    const before = await asked();
    expect(await insert([1])).toBe('done');
    const first = await asked();
    expect(await insert([2])).toBe('done');
    expect((await asked()) - first, 'statements of the second insert').toBeLessThan(first - before);
    const other = await openStore({ kind: 'embedded', path });
    await other.command('ALTER TABLE changed ADD COLUMN b UInt8');
    await other.close();
    expect(await insert([3, 4])).toBe('done');
    await fetch(http.url, { method: 'POST', body: 'ALTER TABLE changed MODIFY COLUMN b UInt16' });
    expect(await insert([5, 6, 1])).toBe('done');
    expect(await insert([7])).toContain('Code: 33');
    expect(await store.query('SELECT * FROM changed ORDER BY a')).toEqual(
      [
        [1, 0],
        [2, 0],
        [3, 4],
        [5, 262],
      ].map(([a, b]) => ({ a, b })),
    );
  });

  it('takes samples, whose series are numbers in a dictionary', async () => {
    const server = new ServerStore({ url: http.url });
    const block = new RowBinaryBlock()
      .dateTime(Math.floor(Date.now() / 1000))
      .u64(7n)
      .u64(BIG)
      .u64(777_777n)
      .u64(5n)
      .row();
    try {
      for (let i = 0; i < 2; i++) await server.insert('samples', TABLES.samples, block, 'over HTTP');
    } finally {
      await server.close();
    }
    const rows = await store.query('SELECT toUInt64(series) AS series, value FROM samples WHERE stack = 777777');
    expect(rows).toEqual([{ series: String(BIG), value: '5' }]);
  });

  it('answers as ClickHouse does to curl', async () => {
    const get = (query: string, more = '') => fetch(`${http.url}/?query=${encodeURIComponent(query)}${more}`);
    expect(await (await fetch(`${http.url}/ping`)).text()).toBe('Ok.\n');
    expect(await (await get('SELECT 1 FORMAT CSV')).text()).toBe('1\n');
    expect(await (await get('SELECT {x:UInt8} AS x', '&param_x=7&default_format=JSONEachRow')).text()).toBe(
      '{"x":7}\n',
    );
    const bad = await get('SELEC 1');
    expect([bad.status, bad.headers.get('x-clickhouse-exception-code')]).toEqual([400, '62']);
    expect(await bad.text()).toMatch(/^Code: 62\. DB::Exception: /);
    expect((await get('DROP TABLE bin')).status).toBe(403);
    expect((await get('SELECT 1', '&database=nope')).headers.get('x-clickhouse-exception-code')).toBe('81');
    expect(
      (await get('SELECT number FROM numbers(100)', '&max_rows_to_read=1')).headers.get('x-clickhouse-exception-code'),
    ).toBe('158');
  });
});
