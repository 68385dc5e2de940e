import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedStore } from '../embedded.ts';
import { otherwiseMerged } from '../migrate.fixture.ts';
import { MIGRATIONS } from '../migrate.ts';
import { RowBinaryBlock } from '../row-binary.ts';
import { serveClickhouse, type ClickhouseHttp } from '../http.ts';
import { openShards, openStore } from '../open.ts';
import type { RawRequest, Store } from '../store.ts';
import { TABLES } from '../tables.ts';
import { clusterConfig, ONE, plainTables, TWO } from './engine.fixture.ts';
import { clusterForm, localTable, SHARDED } from './form.ts';

const directory = mkdtempSync(join(tmpdir(), 'clickhouse-cluster-'));
let store: EmbeddedStore;
let http: ClickhouseHttp;
/** As a service opens it. */
let server: Store;
const open = () => ({ kind: 'server' as const, url: http.url, cluster: { name: ONE } });

beforeAll(async () => {
  store = new EmbeddedStore(join(directory, 'data'), { configFile: clusterConfig(directory) });
  const engine = { raw: (request: RawRequest) => store.raw({ ...request, sql: plainTables(request.sql) }) };
  http = await serveClickhouse({ engine, scope: 'admin', port: 0 });
  server = await openStore(open());
});
afterAll(async () => {
  await server?.close();
  await http?.close();
  await store?.close();
  rmSync(directory, { recursive: true, force: true });
});

const T0 = Math.floor(Date.now() / 1000 / 86_400) * 86_400 - 86_400;

/** Samples of ten series of two workloads, with what they refer to. */
async function fill(): Promise<void> {
  await store.command(
    `INSERT INTO series SELECT number, 1 + number % 2, 'c', concat('n', toString(number)), 'shop', concat('p', toString(number)), '', 'web', '',
     concat('s', toString(number % 2)), 'node', 'cpu', 'nanoseconds', 10, map('zone', 'a'), now() FROM numbers(10)`,
  );
  await store.command('INSERT INTO stacks (stack, frames) VALUES (10, [100]), (11, [100, 101])');
  await store.command(
    `INSERT INTO frames (frame, kind, binary_id, address, function, file, line, mapping) VALUES
     (100, 'v8js', '', 0, 'main', 'a.js', 1, ''), (101, 'native', 'gnu:ab', 4096, '', '', 0, '/opt/libapp')`,
  );
  const [rows, linked] = [new RowBinaryBlock(), new RowBinaryBlock()];
  for (let i = 0; i < 1000; i++) {
    const series = i % 10;
    rows
      .dateTime(T0 + i * 61)
      .u64(BigInt(1 + (series % 2)))
      .u64(BigInt(series))
      .u64(BigInt(10 + (i % 3 === 0 ? 1 : 0)))
      .u64(BigInt(10 + i))
      .row();
    // Trace id and span id.
    linked
      .dateTime(T0 + i * 61)
      .u64(BigInt(1 + (series % 2)))
      .u64(BigInt(series))
      .u64(10n);
    linked
      .u64(1n)
      .u64(BigInt(i % 5))
      .u64(2n)
      .u64(BigInt(10 + i))
      .row();
  }
  const shards = await openShards(server, open());
  try {
    const writer = shards.writer(shards.shardOf(7));
    await writer.catchUp();
    // Twice: the second time it is known.
    for (let i = 0; i < 2; i++) {
      await writer.insert('samples', TABLES.samples, rows, 'block');
      await writer.insert('linked_samples', TABLES.linked_samples, linked, 'block');
    }
  } finally {
    await shards.close();
  }
}

/** As pages and people ask. */
const QUERIES = {
  samples: 'SELECT count(), sum(value), sum(value * series) FROM samples',
  'roll-up of ten minutes': 'SELECT workload, stack, sum(value) FROM samples_10m GROUP BY ALL ORDER BY ALL',
  'roll-up of a day': 'SELECT workload, stack, sum(value) FROM samples_1d GROUP BY ALL ORDER BY ALL',
  profiles: 'SELECT node, service, frames, count(), sum(value) FROM profiles GROUP BY ALL ORDER BY ALL',
  spans: 'SELECT trace_id, node, service, count(), sum(value) FROM spans GROUP BY ALL ORDER BY ALL',
  functions: 'SELECT service, function, binary, sum(self), sum(total) FROM functions GROUP BY ALL ORDER BY ALL',
  'unresolved binaries': 'SELECT node, binary, reason, sum(samples) FROM unresolved_binaries GROUP BY ALL ORDER BY ALL',
  coverage: 'SELECT time, node, pod, taken FROM coverage ORDER BY ALL',
  'coverage by window': 'SELECT time, node, pod, taken FROM coverage_windows ORDER BY ALL',
  'by selector': `SELECT stack, sum(value) FROM samples WHERE series IN (SELECT series FROM series WHERE service = 's1') GROUP BY stack ORDER BY ALL`,
  'by label': `SELECT l.name, sum(s.v) FROM (SELECT series, sum(value) AS v FROM samples GROUP BY series) AS s
    INNER JOIN (SELECT series, any(node) AS name FROM series GROUP BY series) AS l USING (series) GROUP BY ALL ORDER BY ALL`,
  'by trace': `SELECT stack, sum(value) FROM linked_samples WHERE lower(hex(trace_id)) IN (lower(hex(concat(reinterpretAsString(1::UInt64), unhex('00000000000000'), reinterpretAsString(3::UInt64), unhex('00000000000000')))))
    AND workload IN (SELECT workload FROM workloads WHERE service = 's1') GROUP BY stack ORDER BY ALL`,
  'series with samples': 'SELECT node FROM series WHERE series IN (SELECT DISTINCT series FROM samples) ORDER BY ALL',
  'samples beside others of their series':
    'SELECT count() FROM samples WHERE series IN (SELECT series FROM samples WHERE value > 990)',
  'views together': `SELECT count(), sum(f.total) FROM functions AS f INNER JOIN (SELECT DISTINCT node FROM profiles WHERE value > 100) AS p USING (node)`,
} as const;

async function answers(): Promise<Record<string, unknown[][]>> {
  const all: Record<string, unknown[][]> = {};
  for (const [name, sql] of Object.entries(QUERIES)) all[name] = (await server.columns(sql)).rows;
  return all;
}

/** Series are numbers in a dictionary. */
const SUSPICIOUS = { settings: { allow_suspicious_low_cardinality_types: 1 } };
const over = async (cluster: string) => {
  for (const table of SHARDED)
    await store.command(
      `CREATE OR REPLACE TABLE ${table} AS ${localTable(table)} ENGINE = Distributed('${cluster}', currentDatabase(), '${localTable(table)}')`,
      SUSPICIOUS,
    );
};

describe('the schema of a cluster', () => {
  it('is brought up to date by who opens it, once', async () => {
    const versions = async () =>
      (await store.columns('SELECT version FROM schema_migrations ORDER BY version')).rows.flat().map(Number);
    expect(await versions()).toEqual(MIGRATIONS.map(({ version }) => version));
    await (await openStore(open())).close();
    expect(await versions()).toEqual(MIGRATIONS.map(({ version }) => version));
    expect(await otherwiseMerged(store)).toEqual([]);
    await expect(openStore({ ...open(), cluster: { name: 'none' } })).rejects.toThrow(
      /knows no cluster none: name one of its <remote_servers>/,
    );
  });

  it('answers over two shards as over one', async () => {
    await fill();
    await over(ONE);
    const one = await answers();
    expect(one['samples']![0]![0]).toBe('1000');
    // Every row would be found on both shards: what is summed doubles, and nothing that is joined does more.
    await over(TWO);
    expect((await answers())['profiles']).toEqual(
      one['profiles']!.map((row) => [...row.slice(0, 3), ...row.slice(3).map((n) => String(2 * Number(n)))]),
    );
    // Each shard its half.
    for (const table of SHARDED) {
      await store.command(`RENAME TABLE ${localTable(table)} TO ${table}_rows`);
      // Rows of one series on both, as after a partition has moved.
      const half = table === 'samples' ? '(series + intDiv(toUnixTimestamp(time), 3600))' : 'stack';
      await store.command(
        `CREATE VIEW ${localTable(table)} AS SELECT * FROM ${table}_rows WHERE ${half} % 2 = shardNum() - 1`,
        SUSPICIOUS,
      );
    }
    try {
      expect(await answers()).toEqual(one);
    } finally {
      for (const table of SHARDED) {
        await store.command(`DROP VIEW ${localTable(table)}`);
        await store.command(`RENAME TABLE ${table}_rows TO ${localTable(table)}`);
      }
    }
  });

  it('is what the engine parses, statement by statement, whoever moves the rows', async () => {
    let statements = 0;
    for (const moves of [true, false])
      for (const { name, steps } of MIGRATIONS) {
        const form = clusterForm({ cluster: TWO, migration: name, moves: { sharded: moves, everywhere: moves } });
        for (const step of steps)
          for (const statement of [...step.statements.flatMap((s) => form.statements(s)), ...form.skipped(step)]) {
            await store.command(`EXPLAIN AST ${statement}`);
            expect(statement).not.toMatch(/non_replicated|ENGINE = (?!Replicated|Distributed)/);
            if (!moves) expect(statement).not.toMatch(/^(INSERT|TRUNCATE)/);
            statements++;
          }
      }
    expect(statements).toBeGreaterThan(100);
  });
});
