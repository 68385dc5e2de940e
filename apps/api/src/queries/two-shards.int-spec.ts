import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localTable, SHARDED } from '@perfleet/clickhouse';
import { afterAll, expect, it } from 'vitest';
import { checkout, clickhouseSql, request, search, stacks, store, T0, useTestApi } from '../api.fixture.ts';

const CLUSTER = 'two';
const directory = mkdtempSync(join(tmpdir(), 'perfleet-two-shards-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Both shards are the engine itself, which asks itself without a socket. Settings as `openStore` has for a cluster. */
function configFile(): string {
  const users = join(directory, 'users.xml');
  const user = `<password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>`;
  writeFileSync(
    users,
    `<clickhouse><profiles><default><distributed_product_mode>global</distributed_product_mode></default></profiles>
     <quotas><default/></quotas><users><default>${user}</default></users></clickhouse>`,
  );
  const shard = '<shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard>';
  const path = join(directory, 'config.xml');
  writeFileSync(
    path,
    `<clickhouse><tcp_port>9000</tcp_port><users_config>${users}</users_config>
     <remote_servers><${CLUSTER}>${shard}${shard}</${CLUSTER}></remote_servers></clickhouse>`,
  );
  return path;
}

useTestApi(configFile());

/** Series are numbers in a dictionary, which the engine wants to be told of wherever such a column is made. */
const SUSPICIOUS = { settings: { allow_suspicious_low_cardinality_types: 1 } };

/** Rows of one series on both shards, as after a partition has moved. */
async function spread(): Promise<void> {
  for (const table of SHARDED) {
    const local = localTable(table);
    await store.command(`RENAME TABLE ${table} TO ${table}_rows`);
    await store.command(
      `CREATE VIEW ${local} AS SELECT * FROM ${table}_rows
       WHERE (stack + intDiv(toUnixTimestamp(time), 5)) % 2 = shardNum() - 1`,
      SUSPICIOUS,
    );
    await store.command(
      `CREATE TABLE ${table} AS ${table}_rows ENGINE = Distributed('${CLUSTER}', currentDatabase(), '${local}')`,
      SUSPICIOUS,
    );
  }
}

const TRACE = 'ab'.repeat(16);
const span = (id: string) => `cpu{span_id="${id.repeat(8)}"}`;

/** Spans of both services, on both shards. */
async function link(): Promise<void> {
  const rows = [checkout, search].flatMap(({ id }, i) =>
    [stacks.work, stacks.lost, stacks.main].map(
      (stack, at) => `(${T0 + at * 5}, ${id}, ${stack}, unhex('${TRACE}'), unhex('${`c${i}`.repeat(8)}'), ${at + 7})`,
    ),
  );
  await store.command(`INSERT INTO linked_samples (* EXCEPT(workload)) VALUES ${rows.join()}`);
}

const services = { label: 'service', base: "sea'rch", with: 'checkout' };
const ASKED: ReadonlyArray<readonly [path: string, query?: Record<string, string>]> = [
  ...['labels', 'labels/service/values', 'profile-types', 'unresolved-binaries'].map((path) => [path] as const),
  ...[
    'cpu',
    'cpu{service="checkout"}',
    '{node=~"n.*", process!="java"}',
    span('c0'),
    `cpu{trace_id="${TRACE}", node="n2"}`,
  ].flatMap((query) => [
    ['flamegraph', { query }] as const,
    ['top', { query }] as const,
    ['series', { query, step: '60', by: 'service' }] as const,
    ['series', { query, step: '60', by: 'function' }] as const,
    ['series', { query, step: '60', function: 'inner' }] as const,
    ['heatmap', { query, step: '60', by: 'node', buckets: '5' }] as const,
    ['export', { query, format: 'folded' }] as const,
  ]),
  ['diff', { query: 'cpu', baseFrom: String(T0), baseUntil: String(T0 + 60) }],
  ['compare', { query: 'cpu', ...services }],
  // Whole buckets: roll-ups.
  ['flamegraph', { query: 'cpu', from: String(T0 - 7200), until: String(T0 + 7200) }],
  ['series', { query: 'cpu', from: String(T0 - 86_400), until: String(T0 + 86_400), step: '3600' }],
  ['top', { query: 'cpu', from: String(T0 - 2 * 86_400), until: String(T0 + 86_400) }],
];

const SQL = [
  'SELECT service, frames, sum(value) FROM profiles GROUP BY ALL ORDER BY ALL',
  'SELECT function, sum(self), sum(total) FROM functions GROUP BY ALL ORDER BY ALL',
  'SELECT trace_id, span_id, service, frames, sum(value) FROM spans GROUP BY ALL ORDER BY ALL',
  'SELECT binary, sum(samples) FROM unresolved_binaries GROUP BY ALL ORDER BY ALL',
  'SELECT count() FROM functions WHERE node IN (SELECT node FROM profiles WHERE value > 1)',
];

async function answers(): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  for (const [path, query] of ASKED) {
    const response = await request(`/api/v1/${path}`, query);
    // How long an answer took is its own.
    all[`${path} ${JSON.stringify(query)}`] = [response.status, (await response.text()).replace(/"tookMs":[\d.]+/, '')];
  }
  for (const query of SQL) all[query] = (await clickhouseSql(query)).text;
  return all;
}

it('answers of the API over two shards are those of one', async () => {
  await link();
  const one = await answers();
  for (const [asked, [status]] of Object.entries(one).slice(0, ASKED.length) as [string, [number]][])
    expect([asked, status]).toEqual([asked, 200]);
  await spread();
  const both = await store.columns('SELECT shardNum(), count() FROM samples GROUP BY ALL ORDER BY ALL');
  expect(both.rows.map(([shard]) => shard)).toEqual([1, 2]);
  expect(await answers()).toEqual(one);
});
