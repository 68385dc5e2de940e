import { gzipSync } from 'node:zlib';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { describe, expect, it } from 'vitest';
import { checkout, clickhouseSql as ask, clickhouseUrl, MS, store, T0, useTestApi } from '../api.fixture.ts';

useTestApi();

describe('SQL on ClickHouse’s protocol', () => {
  it('serves @clickhouse/client: parameters, formats, compression, errors', async () => {
    const log = { level: ClickHouseLogLevel.OFF };
    const compression = { response: true, request: true };
    const client = createClient({ url: clickhouseUrl, database: 'default', log, compression });
    try {
      expect((await client.ping()).success).toBe(true);
      const query =
        'SELECT service, sum(value) AS v FROM profiles WHERE time = {t:DateTime} AND service = {s:String} GROUP BY service';
      const found = await client.query({ query, query_params: { t: T0 + 5, s: "sea'rch" }, format: 'JSONEachRow' });
      expect(await found.json()).toEqual([{ service: "sea'rch", v: String(11 * MS) }]);
      const names = await client.query({ query: 'SHOW TABLES', format: 'JSON' });
      expect((await names.json()).data).toContainEqual({ name: 'profiles' });
      const array = await client.query({
        query: 'SELECT {a:Array(String)} AS a, {n:Nullable(UInt8)} AS n',
        query_params: { a: ["x'", 'y\t'], n: null },
        format: 'JSONEachRow',
      });
      expect(await array.json()).toEqual([{ a: ["x'", 'y\t'], n: null }]);
      await expect(client.query({ query: 'SELECT nope FROM profiles' })).rejects.toMatchObject({ code: '47' });
      await expect(client.query({ query: 'SELECT * FROM samples' })).rejects.toMatchObject({
        code: '497',
        type: 'ACCESS_DENIED',
      });
      await expect(client.insert({ table: 'profiles', values: [{ a: 1 }], format: 'JSONEachRow' })).rejects.toThrow(
        /only SELECT/,
      );
      await expect(client.command({ query: 'CREATE TABLE x (a UInt8) ENGINE = Memory' })).rejects.toThrow(
        /only SELECT/,
      );
    } finally {
      await client.close();
    }
  });

  it('takes the statement from the address, the body, or both, and the format from either place', async () => {
    const get = { method: 'GET' };
    expect((await ask('', { ...get, search: { query: 'SELECT 1 FORMAT CSV' } })).text).toBe('1\n');
    expect((await ask('+ 1', { search: { query: 'SELECT 1', default_format: 'JSONEachRow' } })).text).toBe(
      '{"plus(1, 1)":2}\n',
    );
    expect((await ask('SELECT 1 AS x', { headers: { 'x-clickhouse-format': 'JSONEachRow' } })).text).toBe('{"x":1}\n');
    expect((await ask('SELECT 1;')).text).toBe('1\n');
    expect((await ask("SELECT 'FORMAT Template SETTINGS x' AS a FORMAT CSV")).text).toBe(
      '"FORMAT Template SETTINGS x"\n',
    );
    expect((await ask('', get)).text).toBe('Ok.\n');
    expect((await ask('')).code).toBe('62');
  });

  it.each([
    'Native',
    'RowBinaryWithNamesAndTypes',
    'JSONCompactEachRow',
    'Pretty',
    'Vertical',
    'Parquet',
    'ArrowStream',
  ])('answers in %s', async (format) => {
    const { status, headers } = await ask(`SELECT service FROM profiles LIMIT 1 FORMAT ${format}`);
    expect(status).toBe(200);
    expect(headers.get('x-clickhouse-format')).toBe(format);
  });

  it.each([
    'Template',
    'Protobuf',
    'CapnProto',
    'AvroConfluent',
    'CustomSeparated',
    'MySQLWire',
    'SQLInsert',
    'Nope',
    '`Native`; DROP',
  ])('refuses to answer in %s', async (format) => {
    for (const said of [ask(`SELECT 1 FORMAT ${format}`), ask('SELECT 1', { search: { default_format: format } })])
      expect((await said).text).toMatch(/format .* is not allowed|one statement only/);
  });
});

describe('a caller on ClickHouse’s protocol', () => {
  it('cannot raise a limit by a setting of the address, nor change what the guard sees', async () => {
    const search = {
      ...{
        readonly: '0',
        max_result_rows: '0',
        result_overflow_mode: 'break',
        max_execution_time: '0',
        allow_ddl: '1',
      },
      ...{ additional_table_filters: "{'samples': '0'}", additional_result_filter: '0', dialect: 'prql' },
      ...{ session_id: 'x', role: 'admin', user: 'root', profile: 'default', format_template_row: '/etc/hostname' },
    };
    const over = await ask('SELECT number FROM numbers(20000)', { search });
    expect([over.status, over.code]).toEqual([400, '396']);
    expect(over.text).toContain('larger than 10000 rows');
    expect((await ask("SELECT getSetting('max_execution_time')", { search })).text).toBe('30\n');
    const sum = `SELECT sum(value) FROM profiles WHERE time = toDateTime(${T0})`;
    expect((await ask(sum, { search })).text).toBe(`${30 * MS}\n`);
  });

  it('chooses how values are written, and by nothing but known values', async () => {
    const quoting = (value: string) =>
      ask('SELECT toUInt64(1) AS x FORMAT JSONEachRow', { search: { output_format_json_quote_64bit_integers: value } });
    expect((await quoting('0')).text).toBe('{"x":1}\n');
    expect((await quoting('1')).text).toBe('{"x":"1"}\n');
    expect((await quoting("0', readonly = '0")).text).toBe('{"x":"1"}\n');
  });

  it.each([
    ['SELECT 1', '; DROP TABLE samples', /one statement only/],
    ['SELECT 1 --', '\n; SELECT 2', /one statement only/],
    ['SELECT /*', "*/ file('/etc/hostname')", /file is not allowed/],
    ["SELECT '", "' FROM samples", /samples is not allowed/],
    ['INSERT INTO samples FORMAT RowBinary', '\u0000', /only SELECT/],
    ["INSERT INTO FUNCTION file('/tmp/x') SELECT", '1', /only SELECT/],
    ["SELECT 1 INTO OUTFILE '/tmp/x'", 'FORMAT CSV', /INTO OUTFILE is not allowed/],
    ['SELECT 1', 'SETTINGS max_threads = 1 FORMAT CSV', /SETTINGS is not allowed/],
    ['SELECT 1 FORMAT CSV', 'SETTINGS readonly = 0', /(SETTINGS|FORMAT) is not allowed/],
  ])('cannot cut %j and %j in two', async (inUrl, body, why) => {
    const { status, text } = await ask(body, { search: { query: inUrl } });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(text).toMatch(why);
  });

  it('changes nothing by GET or POST', async () => {
    for (const method of ['GET', 'POST'])
      for (const query of [
        'DROP TABLE samples',
        'INSERT INTO samples VALUES (1)',
        'SYSTEM SHUTDOWN',
        'KILL QUERY WHERE 1',
      ])
        expect((await ask('', { method, search: { query } })).status).toBe(403);
    expect(await store.query(`SELECT count() > 0 AS n FROM samples WHERE series = ${checkout.id}`)).toEqual([{ n: 1 }]);
  });

  it('is told that compressed blocks, forms and other encodings are not read, and what to do', async () => {
    expect((await ask('SELECT 1', { search: { compress: '1' } })).text).toMatch(
      /turn compression off in the client \(compress=0\)/,
    );
    expect((await ask('SELECT 1', { search: { decompress: '1' } })).text).toMatch(/decompress=0/);
    const form = { 'content-type': 'multipart/form-data; boundary=x' };
    expect((await ask('--x--', { headers: form })).text).toMatch(/send parameters in the address/);
    expect((await ask('SELECT 1', { headers: { 'content-encoding': 'br' } })).text).toMatch(/use gzip/);
    const send = (body: Uint8Array<ArrayBuffer>) =>
      fetch(clickhouseUrl, { method: 'POST', headers: { 'content-encoding': 'gzip' }, body });
    expect(await (await send(new Uint8Array(gzipSync('SELECT 7')))).text()).toBe('7\n');
    // A small body that would become a large one.
    expect((await send(new Uint8Array(gzipSync('x'.repeat(64 << 20))))).status).toBe(413);
    expect((await ask('x'.repeat(2 << 20))).status).toBe(413);
    expect((await ask(`SELECT '${'x'.repeat(100_000)}'`)).text).toMatch(/longer than 100000 characters/);
  });

  it('is refused as on the API when its browser was sent by another page', async () => {
    expect((await ask('SELECT 1', { headers: { origin: 'http://evil.example' } })).status).toBe(403);
    expect((await ask('SELECT 1', { search: { database: 'system' } })).code).toBe('81');
  });
});
