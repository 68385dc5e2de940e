import { describe, expect, it } from 'vitest';
import { MS, sql, T0, url, useTestApi } from '../api.fixture.ts';

useTestApi();

describe('sql', () => {
  it('answers over the public views', async () => {
    const { status, body } = await sql(
      'select service, sum(value) v from profiles where time >= {from:DateTime} and value < 1e9 group by service order by v desc;',
      {
        from: T0,
      },
    );
    expect(body.error).toBeUndefined();
    expect(status).toBe(200);
    expect(body.columns.map((c) => c.name)).toEqual(['service', 'v']);
    expect(body.rows).toEqual([
      ['checkout', String(57 * MS)],
      ["sea'rch", String(11 * MS)],
    ]);
  });

  it.each([
    'WITH t AS (SELECT 1 AS a) SELECT a, count() OVER () FROM t',
    `SELECT arrayMap(x -> x + 1, [1, 2]), toStartOfHour(now()), quantiles(0.5, 0.9)(number), sumIf(number, number > 1) FROM numbers(10)`,
    'SELECT 1 UNION ALL SELECT 2',
    'SELECT * FROM (SELECT node, 1 AS x FROM nodes) WHERE x IN (SELECT 1)',
    'SHOW TABLES',
    'DESCRIBE profiles',
    'SELECT count() FROM deliveries',
    'SELECT f.function, sum(f.self) FROM functions AS f LEFT JOIN node_events USING (node) GROUP BY 1',
  ])('runs %s', async (query) => {
    const { status, body } = await sql(query);
    expect(body.error).toBeUndefined();
    expect(status).toBe(200);
  });

  it.each([
    ["SELECT file('/etc/hostname')", 'function file'],
    ["SELECT FILE('/etc/hostname')", 'function FILE'],
    ["SELECT * APPLY(file) FROM (SELECT '/etc/hostname')", 'APPLY'],
    ["SELECT * FROM file('/etc/hostname', 'LineAsString')", 'table function file'],
    ["SELECT * FROM url('http://127.0.0.1/', 'CSV', 'a String')", 'table function url'],
    ["SELECT * FROM s3('http://127.0.0.1/x')", 'table function s3'],
    ["SELECT * FROM remote('127.0.0.1', system.one)", 'table function remote'],
    ["SELECT * FROM executable('x', 'CSV', 'a String')", 'table function executable'],
    ["SELECT * FROM merge('system', '.*')", 'table function merge'],
    ['SELECT 1 IN numbers(3)', 'function numbers'],
    ['SELECT * FROM system.parts', 'table system.parts'],
    ['SELECT * FROM information_schema.tables', 'table information_schema.tables'],
    ['SELECT * FROM samples', 'table samples'],
    ['SELECT 1 IN samples', 'table samples'],
    ['SELECT 1 IN system.one', 'table system.one'],
    ['SELECT * FROM (WITH samples AS (SELECT 1) SELECT * FROM samples), samples', 'table samples'],
    ['SELECT * FROM `/etc/hostname`', 'table /etc/hostname'],
    ["SELECT 'x AS (' FROM x", 'table x'],
    ['SELECT * FROM {t:Identifier}', 'table system.one'],
    ["SELECT dictGet('d', 'a', 1)", 'function dictGet'],
    ["SELECT joinGet('d', 'a', 1)", 'function joinGet'],
    ['SELECT sleep(3)', 'function sleep'],
    ["SELECT getSetting('additional_table_filters')", 'function getSetting'],
    ["SELECT getSetting(concat('read', 'only'))", 'function getSetting'],
    ["SELECT hostName('x')", 'function hostName'],
    ['SELECT uptime()', 'function uptime'],
    ["SELECT 1 INTO OUTFILE '/tmp/perfleet-must-not-exist'", 'INTO OUTFILE'],
    ['SELECT 1 FORMAT CSV', 'FORMAT'],
    ['SELECT 1 SETTINGS readonly = 0', 'SETTINGS'],
    ['SELECT * FROM (SELECT 1 SETTINGS max_threads = 1)', 'SETTINGS'],
    ['SELECT 1; DROP TABLE samples', 'one statement only'],
    ["SELECT 'a' AS `b\nSETTINGS`, {p:String} FROM samples", 'is not allowed'],
    ['SELECT 1 PARALLEL WITH SELECT 2', 'ParallelWith'],
    ['DROP TABLE samples', 'only SELECT'],
    ['INSERT INTO samples SELECT 1', 'only SELECT'],
    ['EXPLAIN SELECT 1', 'only SELECT'],
    ['SHOW CREATE TABLE samples', 'only SELECT'],
    ['DESCRIBE samples', 'only SELECT'],
    ["DESCRIBE TABLE url('http://127.0.0.1')", 'only SELECT'],
    ['SHOW PROCESSLIST', 'only SELECT'],
    ['SELECT * FROM (EXPLAIN SELECT 1)', 'viewExplain'],
    ['SELECT * FROM view(SELECT 1)', 'table function view'],
    ['SYSTEM SHUTDOWN', 'only SELECT'],
    ['SET readonly = 0', 'only SELECT'],
    ['', 'empty'],
  ])('refuses %s', async (query, why) => {
    const { status, body } = await sql(query, { t: 'system.one', p: "') FROM profiles -- \n\\" });
    expect(body.error?.message).toContain(why);
    expect(status).toBe(400);
  });

  it('takes parameters as values, whatever they hold', async () => {
    const p = `'); DROP TABLE samples; -- "\\n\n\t\\' {q:String} \u0000é`;
    const { body } = await sql('SELECT {p:String} AS p, {q:String} AS q, length({p:String}) AS n', { p, q: "b'" });
    expect(body.error).toBeUndefined();
    expect(body.rows[0]?.slice(0, 2)).toEqual([p, "b'"]);
    expect((await sql('SELECT {missing:String}')).status).toBe(400);
  });

  it('says where the text is wrong', async () => {
    const { status, body } = await sql('  SELECT 1 +');
    expect(status).toBe(400);
    expect(body.error?.position).toBe(12);
  });

  it('bounds results, also of a UNION, and the next answer is whole', async () => {
    for (const query of [
      'SELECT number FROM numbers(20000)',
      'SELECT 1 AS number UNION ALL SELECT number FROM numbers(20000)',
    ]) {
      const { status, body } = await sql(query);
      expect(status).toBe(400);
      expect(body.error?.message).toContain('larger than 10000 rows');
      for (let i = 0; i < 4; i++) expect((await sql('SELECT 1 AS a')).body.rows).toEqual([[1]]);
    }
  });

  it('refuses a body that is no query', async () => {
    const send = (body: string, type = 'application/json') =>
      fetch(`${url}/api/v1/sql`, { method: 'POST', headers: { 'content-type': type }, body });
    expect((await send('{')).status).toBe(400);
    expect((await send('{"query": 1}')).status).toBe(400);
    expect((await send('{"query": "SELECT {a:String}", "params": {"a": {}}}')).status).toBe(400);
    // A page of another origin can send text without asking; it must not be taken for a query.
    expect((await send('{"query": "SELECT 1"}', 'text/plain')).status).toBe(400);
  });
});
