import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  fleetNodes,
  type ConfigHistoryResponse,
  type ConfigResponse,
  type ErrorResponse,
  type FleetColumns,
  type FlameGraphResponse,
  type NodeTimelineResponse,
  type SeriesResponse,
  type SqlResponse,
  type TopResponse,
} from '@perfleet/api-contract';
import { openStore, type Store } from '@perfleet/clickhouse';
import { namedFrameId, nativeFrameId, seriesId, stackId } from '@perfleet/ids';
import type { NodeState } from '@perfleet/messages';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { decodePprof } from '@perfleet/pprof';
import { toFolded } from '@perfleet/profile';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApi, type Api } from './create-api.ts';
import { ProfileCache } from './queries/profile-cache.ts';
import { loadStacks } from './queries/stack-set.ts';
import { StoreDb } from './queries/store-db.ts';

/** Start of the data set: on a minute, so that steps are easy to tell, and younger than the store's retention. */
const T0 = Math.floor(Date.now() / 60_000) * 60 - 36_000;
const MS = 1_000_000;

const main = namedFrameId('v8js', 'main', 'app.js', 1);
const work = nativeFrameId('native', 'gnu:aa', 0x1000n);
const lost = nativeFrameId('native', 'gnu:bb', 0x2abcn);
const stacks = { work: stackId([main, work]), lost: stackId([main, lost]), main: stackId([main]) };
const seriesOf = (service: string, node: string, process: string) => ({
  id: seriesId([
    ['service', service],
    ['node', node],
    ['process', process],
    ['type', 'cpu'],
  ]),
  service,
  node,
  process,
});
const checkout = seriesOf('checkout', 'n1', 'node');
const search = seriesOf("sea'rch", 'n2', 'java');

const dir = mkdtempSync(join(tmpdir(), 'perfleet-api-'));
let store: Store;
let nodeState: NodeStateStore;
let api: Api;
let url: string;

const node = (name: string, change: Partial<NodeState> = {}): NodeState => ({
  node: name,
  cluster: 'test',
  epoch: '0123456789abcdef',
  startedAt: 1000,
  updatedAt: 2000,
  version: '',
  mode: 'pods',
  fallback: false,
  modeReason: 'kubepods found',
  podRoots: ['/kubepods', '/docker/x/kubepods'],
  kubeletMismatches: [],
  rung: 1,
  rungReason: 'eBPF',
  rungWanted: 1,
  kernel: '6.18',
  cgroupVersion: 'v2',
  cpus: 2,
  ...{ rateWanted: 19, configVersion: 0, configError: '', governor: 'ok', governorReason: '' },
  ...{ cpuPercent: 1.5, memoryMib: 300 },
  rateHz: 19,
  restarts: 0,
  lastExit: '',
  taken: 5,
  published: 4,
  lost: {},
  clockSkewMs: 0,
  ...change,
});

beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path: join(dir, 'clickhouse') });
  for (const s of [checkout, search]) {
    const service = s.service.replaceAll("'", "''");
    const row = `(${s.id}, '${service}', '${s.node}', '${s.process}', 'cpu', 'nanoseconds', ${MS}, map('team', 'a'), ${T0})`;
    // Twice: a series is written again whenever it is seen, and counts once.
    for (let i = 0; i < 2; i++)
      await store.command(
        `INSERT INTO series (series, service, node, process, type, unit, period, labels, seen) VALUES ${row}`,
      );
  }
  await store.command(
    `INSERT INTO stacks VALUES (${stacks.work}, [${main}, ${work}]), (${stacks.lost}, [${main}, ${lost}]), (${stacks.main}, [${main}])`,
  );
  await store.command(`INSERT INTO frames VALUES (${main}, 'v8js', '', 0, 'main', 'app.js', 1, ''),
    (${work}, 'native', 'gnu:aa', ${0x1000}, '', '', 0, '/usr/lib/libwork.so'), (${lost}, 'native', 'gnu:bb', ${0x2abc}, '', '', 0, '/opt/x/liblost.so')`);
  await store.command(`INSERT INTO symbols VALUES (${work}, 1, ['wrong'], [''], [0], '')`);
  await store.command(
    `INSERT INTO symbols VALUES (${work}, 3, ['inner', 'outer'], ['w.c', 'w.c'], [7, 9], ''), (${lost}, 0, [], [], [], 'no file')`,
  );
  const samples = [
    [0, checkout.id, stacks.work, 30 * MS],
    [5, checkout.id, stacks.work, 20 * MS],
    [70, checkout.id, stacks.lost, 7 * MS],
    [5, search.id, stacks.main, 11 * MS],
    // Outside of the range that the tests ask for.
    [-1, checkout.id, stacks.work, 1000 * MS],
    [120, checkout.id, stacks.work, 1000 * MS],
  ] as const;
  await store.command(
    `INSERT INTO samples VALUES ${samples.map(([t, ...rest]) => `(${[T0 + t, ...rest].join(', ')})`).join(', ')}`,
  );

  nodeState = await openSqliteNodeState({ path: join(dir, 'nodes.db') });
  await nodeState.put(node('n1'));
  await nodeState.heartbeat('n1', 'e', 600_000);
  await nodeState.put(
    node('n2', {
      ...{ mode: 'whole-system', fallback: true, modeReason: 'no kubepods', rung: 2, rungReason: 'no BTF' },
      ...{ podRoots: [], kubeletMismatches: ['the kubelet declares cgroupsPerQOS: true'] },
    }),
  );

  const webRoot = join(dir, 'web');
  mkdirSync(join(webRoot, 'assets'), { recursive: true });
  writeFileSync(join(webRoot, 'index.html'), '<!doctype html><title>page</title>');
  writeFileSync(join(webRoot, 'assets', 'app-1234.js'), 'export {};');
  api = createApi({ store, nodeState, webRoot, port: 0, logger: createLogger('api', { level: 'error' }) });
  ({ url } = await api.start());
});

afterAll(async () => {
  await api?.stop();
  await nodeState?.close();
  await store?.close();
  rmSync(dir, { recursive: true, force: true });
});

const inRange = { from: String(T0), until: String(T0 + 120) };
const request = (path: string, query: Record<string, string> = {}) =>
  fetch(`${url}${path}?${new URLSearchParams({ ...inRange, ...query })}`);

async function get<T>(path: string, query: Record<string, string> = {}): Promise<T> {
  const response = await request(`/api/v1/${path}`, query);
  const body = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${body}`);
  return JSON.parse(body) as T;
}

async function refused(path: string, query: Record<string, string> = {}) {
  const response = await request(`/api/v1/${path}`, query);
  const body = (await response.json()) as { error: { code: string; message: string; position?: number } };
  return { status: response.status, ...body.error };
}

async function sql(query: string, params?: Record<string, unknown>) {
  const response = await fetch(`${url}/api/v1/sql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, params }),
  });
  return {
    status: response.status,
    body: (await response.json()) as SqlResponse & { error?: { message: string; position?: number } },
  };
}

/** `root;…;leaf` -> [self, total] of every node. */
function paths({ graph }: FlameGraphResponse): Record<string, [number, number]> {
  const names: string[] = [];
  return Object.fromEntries(
    graph.parent.map((parent, i) => {
      const name = graph.strings[graph.name[i]!]!;
      names.push(parent > 0 ? `${names[parent]};${name}` : name);
      return [names[i]!, [graph.self[i]! / MS, graph.total[i]! / MS]];
    }),
  );
}

describe('labels', () => {
  it('names columns and what agents added', async () => {
    const { labels } = await get<{ labels: string[] }>('labels');
    expect(labels).toEqual(expect.arrayContaining(['service', 'node', 'process', 'team']));
  });

  it('orders values by what they used', async () => {
    expect(await get('labels/service/values')).toEqual({
      values: [
        { value: 'checkout', total: 57 * MS },
        { value: "sea'rch", total: 11 * MS },
      ],
    });
    expect(await get('labels/process/values', { query: '{process="java"}' })).toEqual({
      values: [{ value: 'java', total: 11 * MS }],
    });
    expect(await get('labels/team/values', { query: 'cpu{node="n2"}' })).toEqual({
      values: [{ value: 'a', total: 11 * MS }],
    });
  });

  it('answers 404 for a label that no series has', async () => {
    expect(await refused('labels/nonsense/values')).toMatchObject({ status: 404, code: 'not-found' });
  });

  it('lists types', async () =>
    expect(await get('profile-types')).toEqual({ types: [{ type: 'cpu', unit: 'nanoseconds' }] }));
});

describe('flamegraph', () => {
  it('holds every sample of the range once, by process, with inlined functions and unresolved frames', async () => {
    const graph = await get<FlameGraphResponse>('flamegraph', { query: 'cpu{}' });
    expect(graph).toMatchObject({ type: 'cpu', unit: 'nanoseconds', total: 68 * MS });
    const root = graph.graph.strings[graph.graph.name[0]!]!;
    expect(paths(graph)).toEqual({
      [root]: [0, 68],
      node: [0, 57],
      'node;main': [0, 57],
      'node;main;outer': [0, 50],
      'node;main;outer;inner': [50, 50],
      'node;main;liblost.so+0x2abc': [7, 7],
      java: [0, 11],
      'java;main': [11, 11],
    });
    const inner = graph.graph.name.findIndex((n) => graph.graph.strings[n] === 'inner');
    expect(graph.graph.inlined[inner]).toBe(1);
    expect(graph.graph.strings[graph.graph.module[inner]!]).toBe('libwork.so');
    expect(graph.graph.strings[graph.graph.file[inner]!]).toBe('w.c');
  });

  it.each([
    ['cpu{service="checkout"}', 57],
    ['{service!="checkout"}', 11],
    ['{service=~"check.*"}', 57],
    ['{service=~"heck"}', 0],
    ['{service=~"check|out"}', 0],
    [`{service="sea'rch"}`, 11],
    ['{node!~"n1|n3"}', 11],
    ['{team="a", pod=""}', 68],
    ['memory{}', 0],
    ['cpu{process="node"}', 57],
    ['{process!~"java", node="n1", type="cpu"}', 57],
  ])('selects by %s', async (query, total) => {
    expect((await get<FlameGraphResponse>('flamegraph', { query })).total).toBe(total * MS);
  });

  it('keeps totals per process when there are more stacks than it may load', async () => {
    const db = new StoreDb(store);
    const range = { from: T0, until: T0 + 120 };
    const set = await loadStacks(db, new ProfileCache(), { type: 'cpu', matchers: [] }, range, {}, 1);
    expect(toFolded(set.stacks, set.frames).trim().split('\n').sort()).toEqual([
      `java;(other) ${11 * MS}`,
      `node;(other) ${7 * MS}`,
      `node;main;outer;inner ${50 * MS}`,
    ]);
    expect(set.total).toBe(68 * MS);
  });

  it('folds the lightest nodes into (other) and keeps every total', async () => {
    const graph = await get<FlameGraphResponse>('flamegraph', { query: 'cpu{}', maxNodes: '5' });
    expect(graph.graph.parent.length).toBeLessThanOrEqual(5);
    expect(graph.graph.total[0]).toBe(68 * MS);
    expect(paths(graph)).toEqual({
      all: [0, 68],
      node: [0, 57],
      'node;main': [0, 57],
      'node;main;(other)': [57, 57],
      '(other)': [11, 11],
    });
    expect(await refused('flamegraph', { maxNodes: '1' })).toMatchObject({ status: 400 });
  });

  it('names a stack whose row is not there, and loads many stacks at once', async () => {
    const at = T0 - 7000;
    const many = Array.from({ length: 3000 }, (_, i) => [main, BigInt(i) + 10n ** 12n]);
    const rows = many.map((frames) => ({ id: stackId(frames), frames }));
    await store.command(`INSERT INTO stacks VALUES ${rows.map((r) => `(${r.id}, [${r.frames.join()}])`).join()}`);
    await store.command(
      `INSERT INTO samples VALUES (${at}, ${checkout.id}, 42, 9), ${rows.map((r) => `(${at}, ${checkout.id}, ${r.id}, 2)`).join()}`,
    );
    const graph = paths(await get('flamegraph', { from: String(at), until: String(at + 1) }));
    expect(graph['node']).toEqual([0, 6009 / MS]);
    expect(graph['node;[stack not stored]']).toEqual([9 / MS, 9 / MS]);
    expect(Object.keys(graph).filter((path) => path.startsWith('node;main;[frame '))).toHaveLength(3000);
  });

  it('asks again for frames without a name', async () => {
    const late = nativeFrameId('native', 'gnu:late', 0x10n);
    const stack = stackId([late]);
    await store.command(`INSERT INTO frames VALUES (${late}, 'native', 'gnu:late', 16, '', '', 0, '/lib/late.so')`);
    await store.command(`INSERT INTO stacks VALUES (${stack}, [${late}])`);
    await store.command(`INSERT INTO samples VALUES (${T0 + 5000}, ${checkout.id}, ${stack}, 3)`);
    const window = { from: String(T0 + 5000), until: String(T0 + 5001) };
    expect(Object.keys(paths(await get('flamegraph', window)))).toContain('node;late.so+0x10');
    await store.command(`INSERT INTO symbols VALUES (${late}, 2, ['arrived'], [''], [0], '')`);
    expect(Object.keys(paths(await get('flamegraph', window)))).toContain('node;arrived');
  });

  it('says where a selector is wrong', async () => {
    expect(await refused('flamegraph', { query: 'cpu{a}' })).toMatchObject({ status: 400, position: 5 });
    const regex = await refused('flamegraph', { query: '{pod=~"("}' });
    expect(regex).toMatchObject({ status: 400 });
    expect(regex.message).toMatch(/RE2.*missing \)/);
    expect(await refused('flamegraph', { from: 'yesterday' })).toMatchObject({
      status: 400,
      message: expect.stringContaining('from=yesterday'),
    });
    expect(await refused('flamegraph', { from: 'now', until: 'now-1h' })).toMatchObject({ status: 400 });
  });

  it('reads times as seconds, milliseconds and RFC 3339', async () => {
    for (const form of [(s: number) => String(s * 1000), (s: number) => new Date(s * 1000).toISOString()]) {
      const { total } = await get<FlameGraphResponse>('flamegraph', { from: form(T0), until: form(T0 + 120) });
      expect(total).toBe(68 * MS);
    }
    expect((await get<FlameGraphResponse>('flamegraph', { from: 'now-15m', until: 'now' })).total).toBe(0);
  });
});

describe('top, series, diff, export', () => {
  it('sums functions', async () => {
    const { total, functions } = await get<TopResponse>('top', { query: 'cpu' });
    expect(total).toBe(68 * MS);
    expect(functions.map((f) => [f.function, f.self / MS, f.total / MS])).toEqual([
      ['inner', 50, 50],
      ['main', 11, 68],
      ['liblost.so+0x2abc', 7, 7],
      ['outer', 0, 50],
    ]);
    expect((await get<TopResponse>('top', { limit: '1' })).functions).toHaveLength(1);
  });

  it('fills a series step by step', async () => {
    expect(await get<SeriesResponse>('series', { step: '60', by: 'service' })).toEqual({
      unit: 'nanoseconds',
      step: 60,
      times: [T0 * 1000, (T0 + 60) * 1000],
      series: [
        { labels: { service: 'checkout' }, values: [50 * MS, 7 * MS] },
        { labels: { service: "sea'rch" }, values: [11 * MS, 0] },
      ],
    });
    expect((await get<SeriesResponse>('series', { step: '60' })).series).toEqual([
      { labels: {}, values: [61 * MS, 7 * MS] },
    ]);
    expect((await get<SeriesResponse>('series', { step: '60', by: 'service', limit: '1' })).series[1]).toEqual({
      labels: { service: '(other)' },
      values: [11 * MS, 0],
    });
    const one = await get<SeriesResponse>('series', { step: '60', by: 'process', query: '{process="java"}' });
    expect(one.series).toEqual([{ labels: { process: 'java' }, values: [11 * MS, 0] }]);
    expect(await refused('series', { from: '0', until: '1000000000', step: '1' })).toMatchObject({ status: 400 });
  });

  it('compares two selections', async () => {
    const diff = await get<{ baseTotal: number; total: number; functions: Array<{ function: string }> }>('diff', {
      query: '{service="checkout"}',
      baseQuery: `{service="sea'rch"}`,
    });
    expect(diff).toMatchObject({ baseTotal: 11 * MS, total: 57 * MS });
    expect(diff.functions.map((f) => f.function).sort()).toEqual(['inner', 'liblost.so+0x2abc', 'main', 'outer']);
  });

  it('exports folded stacks, speedscope and pprof', async () => {
    const folded = await request('/api/v1/export', { format: 'folded' });
    expect(folded.headers.get('content-disposition')).toMatch(/^attachment; filename="perfleet-cpu-\d+\.folded"$/);
    expect((await folded.text()).trim().split('\n').sort()).toEqual([
      `java;main ${11 * MS}`,
      `node;main;liblost.so+0x2abc ${7 * MS}`,
      `node;main;outer;inner ${50 * MS}`,
    ]);
    const speedscope = (await (await request('/api/v1/export', { format: 'speedscope' })).json()) as {
      profiles: Array<{ endValue: number }>;
    };
    expect(speedscope.profiles[0]?.endValue).toBe(68 * MS);
    const pprof = await request('/api/v1/export', { format: 'pprof' });
    expect(pprof.status).toBe(200);
    const profile = decodePprof(gunzipSync(await pprof.arrayBuffer()));
    const text = profile.samples.map(({ stack, values, labels }) => [
      ...labels.map(([, value]) => value),
      stack.flatMap(({ lines }) => lines.map((l) => l.function)).join('<'),
      Number(values[0]) / MS,
    ]);
    expect(text.sort()).toEqual([
      ['java', 'main', 11],
      ['node', 'inner<outer<main', 50],
      ['node', 'liblost.so+0x2abc<main', 7],
    ]);
    expect(await refused('export', { format: 'xml' })).toMatchObject({ status: 400 });
  });
});

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
      ['checkout', String(57 * MS + 3)],
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
    ['SELECT * FROM system.tables', 'table system.tables'],
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
    ["SELECT getSetting('readonly')", 'function getSetting'],
    ['SELECT hostName()', 'function hostName'],
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

describe('nodes', () => {
  it('lists them with their last word', async () => {
    const { nodes } = await get<{ nodes: Array<Record<string, unknown>> }>('nodes');
    expect(nodes).toMatchObject([
      { node: 'n1', alive: true, mode: 'pods', rung: 1 },
      { node: 'n2', alive: false, mode: 'whole-system', fallback: true, rung: 2 },
    ]);
    expect(await get('nodes/n1')).toMatchObject({
      ...{ node: 'n1', kernel: '6.18', podRoots: ['/kubepods', '/docker/x/kubepods'], kubeletMismatches: [] },
    });
    expect(await refused('nodes/n9')).toMatchObject({ status: 404 });
    expect((await refused(`nodes/${'x'.repeat(253)}`)).message).toContain('no node is called xxx');
  });

  it('raises alerts with their beginning and reason', async () => {
    const at = T0 * 1000 + 123;
    await store.command(
      `INSERT INTO node_event_log (time, node, kind) VALUES (fromUnixTimestamp64Milli(toInt64(${at})), 'n2', 'mode-changed')`,
    );
    const { alerts } = await get<{ alerts: unknown[] }>('alerts');
    expect(alerts).toMatchObject([
      { kind: 'silent', node: 'n2', cluster: 'test' },
      { kind: 'fallback', node: 'n2', since: at, reason: 'mode whole-system: no kubepods' },
      { kind: 'rung', node: 'n2', since: 1000, reason: 'rung 2: no BTF' },
      { kind: 'kubelet-mismatch', node: 'n2', state: 'pending' },
    ]);
  });

  it('gives the fleet as columns that decode to the same nodes', async () => {
    const fleet = fleetNodes(await get<FleetColumns>('fleet'));
    expect(fleet).toMatchObject([
      {
        node: 'n1',
        cluster: 'test',
        alive: true,
        mode: 'pods',
        fallback: false,
        rung: 1,
        kernel: '6.18',
        lostShare: null,
      },
      {
        node: 'n2',
        alive: false,
        mode: 'whole-system',
        fallback: true,
        modeReason: 'no kubepods',
        ...{ podRoots: '', kubeletMismatches: 'the kubelet declares cgroupsPerQOS: true' },
        rungReason: 'no BTF',
      },
    ]);
  });

  it('tells the time line of one node: what held before, events, coverage', async () => {
    // Apart from the data set of the other tests.
    const T1 = T0 + 12_000;
    const state = (rung: number) => JSON.stringify({ ...node('line'), rung }).replaceAll("'", "''");
    const event = (t: number, kind: string, text: string) =>
      `(toDateTime64(${T1 + t}, 3), 'line', '00000000000000aa', '${kind}', 'why', '${text}')`;
    await store.command(
      `INSERT INTO node_event_log (time, node, epoch, kind, message, state) VALUES ${[
        event(-60, 'started', state(1)),
        event(10, 'sampler-crashed', state(1)),
        event(20, 'rung-changed', state(2)),
        event(500, 'stopped', ''),
      ].join(', ')}`,
    );
    const id = seriesId([['node', 'line']]);
    await store.command(
      `INSERT INTO series (series, node, process, pod_uid, type, unit, period) VALUES (${id}, 'line', 'x', 'u', 'cpu', 'nanoseconds', 10)`,
    );
    await store.command(`INSERT INTO samples VALUES (${T1 + 5}, ${id}, 1, 70), (${T1 + 65}, ${id}, 1, 20)`);
    await store.command(
      `INSERT INTO delivery_log (time, node, epoch, seq, lost) VALUES (toDateTime64(${T1 + 61}, 3), 'line', 'aa', 1, map('map-full', 4))`,
    );
    const line = await get<NodeTimelineResponse>('nodes/line/timeline', { from: String(T1), until: String(T1 + 120) });
    expect(line.before).toEqual({ mode: 'pods', fallback: false, rung: 1, rateHz: 19 });
    expect(line.events.map((e) => [e.time / 1000 - T1, e.kind, e.state?.rung])).toEqual([
      [10, 'sampler-crashed', 1],
      [20, 'rung-changed', 2],
    ]);
    expect(line.coverage).toEqual({
      ...{ step: 60, times: [T1 * 1000, (T1 + 60) * 1000], pod: [7, 2], container: [0, 0], host: [0, 0] },
      ...{ nothing: [0, 0], lost: [0, 4] },
    });
  });

  it('lets an operator take a node out', async () => {
    await nodeState.put(node('gone'));
    const response = await fetch(`${url}/api/v1/nodes/gone`, { method: 'DELETE' });
    expect(response.status).toBe(200);
    expect(await nodeState.get('gone')).toBeNull();
    expect((await fetch(`${url}/api/v1/nodes/gone`, { method: 'DELETE' })).status).toBe(404);
  });

  it('exposes them to Prometheus', async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    expect(text).toContain('perfleet_node_discovery_mode{node="n1",mode="pods"} 1');
    expect(text).toContain('perfleet_node_discovery_mode{node="n2",mode="pods"} 0');
    expect(text).toContain('perfleet_node_fallback{node="n2"} 1');
    expect(text).toContain('perfleet_node_kubelet_mismatch{node="n1"} 0');
    expect(text).toContain('perfleet_node_kubelet_mismatch{node="n2"} 1');
    expect(text).toContain('perfleet_node_rung{node="n2"} 2');
    expect(text).toContain('perfleet_node_governor{node="n1",state="ok"} 1');
    expect(text).toContain('perfleet_node_governor{node="n1",state="lowered"} 0');
    expect(text).toContain('perfleet_node_config_refused{node="n1"} 0');
    expect(text).toContain('perfleet_node_overhead_cpu_cores{node="n1"} 0.015');
    expect(text).toContain('process_cpu_seconds_total');
  });
});

describe('configuration', () => {
  const put = (body: unknown, ifMatch?: string) =>
    fetch(`${url}/api/v1/config`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', ...(ifMatch !== undefined && { 'if-match': ifMatch }) },
      body: JSON.stringify(body),
    });
  const get = async (path = '') => (await (await fetch(`${url}/api/v1/config${path}`)).json()) as ConfigResponse;
  const codeOf = async (response: Response) => [response.status, ((await response.json()) as ErrorResponse).error.code];

  it('is empty at first, and replaced only on the version that it has', async () => {
    expect(await get()).toEqual({ version: 0, changedAt: 0, by: '', comment: '', document: {}, error: '' });
    const document = { defaults: { rateHz: 49 } };
    const first = await put({ document, version: 0, by: 'ann', comment: 'why' });
    expect([first.status, first.headers.get('etag')]).toEqual([200, '"1"']);
    expect(await first.json()).toMatchObject({ version: 1, by: 'ann', comment: 'why', document, error: '' });
    expect(await codeOf(await put({ document, version: 0 }))).toEqual([409, 'config-conflict']);
    expect(await codeOf(await put({ document }, '"0"'))).toEqual([412, 'config-conflict']);
    expect(await codeOf(await put({ document }))).toEqual([428, 'version-required']);
    expect(await codeOf(await put({ document }, 'x'))).toEqual([400, 'bad-request']);
    expect((await put({ document: { defaults: { rateHz: 50 } } }, '"1"')).status).toBe(200);
    expect((await put({ document: {} }, '*')).status).toBe(200);
    const { changes } = (await (await fetch(`${url}/api/v1/config/history?limit=2`)).json()) as ConfigHistoryResponse;
    expect(changes.map(({ version, changed }) => [version, changed])).toEqual([
      [3, ['defaults.rateHz: 50 -> not stated']],
      [2, ['defaults.rateHz: 49 -> 50']],
    ]);
  });

  it('is never replaced by what is not valid; the answer names the field', async () => {
    const before = await get();
    const response = await put({ document: { overrides: [{ nodes: ['a'], settings: { rateHz: 0 } }] } }, '*');
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: {
        code: 'invalid-config',
        message: 'overrides[0].settings.rateHz: must be a whole number from 1 to 999',
      },
    });
    expect(await codeOf(await put([], '*'))).toEqual([400, 'bad-request']);
    expect(await get()).toEqual(before);
  });

  it('tells what it means for a node, and what is wrong with what something else put there', async () => {
    await put({ document: { overrides: [{ nodes: ['n*'], clusters: ['test'], settings: { rateHz: 7 } }] } }, '*');
    expect((await get('?node=n1')).settings).toMatchObject({ rateHz: 7, windowSeconds: 5 });
    expect((await get('?node=unknown')).settings).toMatchObject({ rateHz: 19 });
    await nodeState.config.set({ defaults: { rateHz: 'fast' } });
    expect(await get()).toMatchObject({
      document: { defaults: { rateHz: 'fast' } },
      error: 'defaults.rateHz: must be a whole number from 1 to 999',
    });
    expect((await put({ document: {} }, '*')).status).toBe(200);
  });
});

describe('pages and health', () => {
  it('serves the page for every address of the application, files with their caching, and a policy', async () => {
    const html = { headers: { accept: 'text/html' } };
    for (const path of ['/', '/index.html', '/some/view']) {
      const response = await fetch(url + path, html);
      expect(await response.text()).toContain('<title>page</title>');
      expect(response.headers.get('cache-control')).toBe('no-cache');
      expect(response.headers.get('content-security-policy')).toContain("default-src 'self'");
    }
    const asset = await fetch(`${url}/assets/app-1234.js`);
    expect(asset.headers.get('cache-control')).toContain('immutable');
    expect((await fetch(`${url}/assets/none.js`, html)).status).toBe(404);
    const unknown = await fetch(`${url}/api/v1/none`, html);
    expect(unknown.status).toBe(404);
    expect(await unknown.json()).toMatchObject({ error: { code: 'not-found' } });
    expect(
      (await fetch(`${url}/..%2f..%2fetc%2fhostname`)).ok &&
        (await (await fetch(`${url}/..%2fnodes.db`)).text()).includes('SQLite'),
    ).toBe(false);
  });

  it('is alive, ready and described', async () => {
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'ok', store: 'ok', nodeState: 'ok' });
    const document = (await (await fetch(`${url}/api/openapi.json`)).json()) as { paths: Record<string, unknown> };
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/api/v1/flamegraph', '/api/v1/config/history']),
    );
    expect(document.paths['/api/v1/config']).toHaveProperty('put.responses.412');
  });

  it('lets a query go when its client does', async () => {
    const controller = new AbortController();
    const slow = fetch(`${url}/api/v1/sql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: 'SELECT count() FROM numbers(8000000000) WHERE cityHash64(number) = 1' }),
      signal: controller.signal,
    });
    const running = async () =>
      Number(
        (
          await store.columns(
            "SELECT count() FROM system.processes WHERE query LIKE '%cityHash64(number)%' AND query NOT LIKE '%system.processes%'",
          )
        ).rows[0]?.[0],
      );
    await expect.poll(running, { timeout: 10_000 }).toBe(1);
    controller.abort();
    await expect(slow).rejects.toThrow();
    await expect.poll(running, { timeout: 10_000 }).toBe(0);
  });
});

describe('without its stores', () => {
  it('answers 503 with the reason, and stays alive', async () => {
    const path = join(dir, 'other');
    const gone = await openStore({ kind: 'embedded', path: join(dir, 'clickhouse') });
    await gone.close();
    const other = createApi({
      store: gone,
      nodeState,
      port: 0,
      logger: createLogger('api', { level: 'silent' }),
      webRoot: path,
    });
    const { url: otherUrl } = await other.start();
    try {
      const answer = await fetch(`${otherUrl}/api/v1/labels`);
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({ error: { code: 'store-unavailable' } });
      expect((await fetch(`${otherUrl}/readyz`)).status).toBe(503);
      expect((await fetch(`${otherUrl}/livez`)).status).toBe(200);
      expect((await fetch(`${otherUrl}/api/v1/alerts`)).status).toBe(200);
    } finally {
      await other.stop();
    }
  });
});

describe('unresolved binaries', () => {
  const lost = { binary: '/opt/x/liblost.so', binaryId: 'gnu:bb', reason: 'no file', nodes: 1 };

  it('are listed with the reason, since when, and what they carry of the selection', async () => {
    const at = (T0 + 70) * 1000;
    expect(await get('unresolved-binaries')).toEqual({
      binaries: [{ ...lost, since: at, until: at, samples: 7, share: 7 / 68 }],
    });
    expect(await get('unresolved-binaries', { query: 'cpu{node="n2"}' })).toEqual({ binaries: [] });
  });

  it('stand in a view for SQL', async () => {
    const { body } = await sql(
      `SELECT binary, reason, service, toUnixTimestamp(min(time)), sum(samples) FROM unresolved_binaries
       WHERE time >= toDateTime(${T0}) AND time < toDateTime(${T0 + 120}) GROUP BY binary, reason, service`,
    );
    expect(body.rows).toEqual([['/opt/x/liblost.so', 'no file', 'checkout', T0 + 70, '7']]);
  });

  it('count a sample once however many frames lack a name, and what nobody looked at', async () => {
    const others = [1n, 2n].map((address) => nativeFrameId('native', 'gnu:cc', address));
    const stack = stackId(others);
    const values = others.map((frame, i) => `(${frame}, 'native', 'gnu:cc', ${i + 1}, '', '', 0, '/opt/new')`);
    await store.command(`INSERT INTO frames VALUES ${values.join(', ')}`);
    await store.command(`INSERT INTO stacks VALUES (${stack}, [${others.join(', ')}])`);
    await store.command(`INSERT INTO samples VALUES (${T0 + 4000}, ${search.id}, ${stack}, ${5 * MS})`);
    const range = { from: String(T0 + 3999), until: String(T0 + 4001) };
    expect(await get('unresolved-binaries', range)).toMatchObject({
      binaries: [{ binary: '/opt/new', reason: 'not looked at yet', samples: 5, share: 1 }],
    });
  });
});
