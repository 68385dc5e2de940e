import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type Store } from '@perfleet/clickhouse';
import type { LabelLimits } from '@perfleet/tokens';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PUBLIC_VIEWS } from './guard.ts';
import { insertKnownWeek } from './known-week.fixture.ts';
import { SAMPLE_TABLES } from './row-limits.ts';
import { SqlService } from './sql-service.ts';

const path = mkdtempSync(join(tmpdir(), 'perfleet-row-limits-'));
let store: Store;
let service: SqlService;

beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path });
  await insertKnownWeek(store, Math.floor(Date.now() / 60_000) * 60 - 1800);
  service = new SqlService(store);
});
afterAll(async () => {
  await store?.close();
  rmSync(path, { recursive: true, force: true });
});

const run = (query: string, labels: LabelLimits) => service.run({ query }, { name: 'x', labels });
const one = async (query: string, labels: LabelLimits) => (await run(query, labels)).rows.flat();
const JOBS = { namespace: ['jobs'] };

/** Of the fixture: milliseconds of CPU time, both days. */
const MS = { jobs: 850, shop: 2200, host: 10, v1: 1650 };

describe('SQL of a token with labels', () => {
  it.each([
    [JOBS, MS.jobs],
    [{ namespace: ['jobs', 'shop'] }, MS.jobs + MS.shop],
    [{ 'k8s.namespace.name': ['shop'] }, MS.shop],
    [{ namespace: ['shop'], version: ['v1'] }, MS.v1],
    [{ version: ["v1'; DROP"] }, 0],
    [{ namespace: ['jobs'], node: ['n2'] }, 0],
    [{}, MS.jobs + MS.shop + MS.host],
  ])('sees the samples of %j', async (labels: LabelLimits, ms: number) => {
    expect(await one('SELECT toUInt64(sum(value) / 1e6) FROM profiles', labels)).toEqual([String(ms)]);
    expect(await one('SELECT toUInt64(sum(self) / 1e6) FROM functions', labels)).toEqual([String(ms)]);
  });

  it.each([
    'SELECT DISTINCT namespace FROM profiles',
    'SELECT DISTINCT namespace FROM profiles AS s',
    'SELECT DISTINCT p.namespace FROM (SELECT * FROM profiles) AS p',
    'WITH c AS (SELECT namespace FROM functions) SELECT DISTINCT namespace FROM c',
    'SELECT DISTINCT a.namespace FROM profiles AS a LEFT JOIN functions AS b ON a.time = b.time',
    'SELECT DISTINCT b.namespace FROM numbers(1) AS n CROSS JOIN functions AS b',
    'SELECT namespace FROM profiles UNION DISTINCT SELECT namespace FROM functions',
    'SELECT (SELECT max(namespace) FROM profiles)',
    'SELECT arrayJoin(groupUniqArray(namespace)) FROM profiles',
    'SELECT namespace FROM profiles WHERE 1 OR namespace != 1::String GROUP BY namespace',
    'SELECT DISTINCT namespace FROM profiles WHERE stack_id IN (SELECT stack_id FROM profiles)',
    'SELECT min(namespace) FROM profiles GROUP BY ALL WITH TOTALS',
    'SELECT namespace FROM profiles ORDER BY value DESC LIMIT 1 BY namespace',
    'SELECT namespace FROM spans',
    "SELECT p.namespace FROM profiles AS p INNER JOIN spans AS s ON p.time = s.time WHERE s.trace_id != ''",
  ])('finds nothing else by %s', async (query) => {
    const found = await one(query, JOBS);
    expect(new Set(found)).toEqual(new Set(['jobs']));
    expect(new Set(await one(query, {}))).not.toEqual(new Set(['jobs']));
  });

  it('sees no function of the others, nor a binary', async () => {
    const functions = await one('SELECT DISTINCT arrayJoin(frames) AS f FROM profiles ORDER BY f', JOBS);
    expect(functions).toEqual(['deflate', 'main', 'runtime.gcBgMarkWorker']);
    expect(await one('SELECT DISTINCT function AS f FROM functions ORDER BY f', JOBS)).toEqual(functions);
    expect(await one('SELECT count() FROM unresolved_binaries', JOBS)).toEqual(['0']);
    expect(await one('SELECT count() > 0 FROM unresolved_binaries', { namespace: ['shop'] })).toEqual([1]);
  });

  it('reads no view that is not made of samples, and no alias makes one of them', async () => {
    const allowed = ['profiles', 'functions', 'spans', 'unresolved_binaries'];
    expect((await one('SHOW TABLES', JOBS)).sort()).toEqual([...allowed].sort());
    for (const view of PUBLIC_VIEWS.filter((name) => !allowed.includes(name))) {
      const why = `table ${view} is not allowed for a token with labels`;
      await expect(run(`SELECT * FROM ${view}`, JOBS)).rejects.toThrow(why);
      await expect(run(`SELECT 1 IN (SELECT 1 FROM ${view})`, JOBS)).rejects.toThrow(why);
      await expect(run(`DESCRIBE ${view}`, JOBS)).rejects.toThrow(/only SELECT/);
    }
    for (const table of SAMPLE_TABLES)
      await expect(run(`SELECT 1 FROM numbers(3) AS ${table}`, JOBS)).rejects.toThrow();
  });

  it('is not told values of other rows by an error', async () => {
    const query = 'SELECT max(toUInt8(function)) FROM functions';
    await expect(run(query, {})).rejects.toThrow(/Cannot parse string/);
    await expect(run(query, JOBS)).rejects.toThrow(/failed with code 6 of ClickHouse; its words may hold/);
    await expect(run('SELECT nope FROM profiles', JOBS)).rejects.toThrow(/Unknown expression .*nope/);
  });

  it('covers every table that the views take samples from', async () => {
    const names = async (sql: string) => (await store.columns(sql)).rows.flat().map(String);
    const withValues = await names(
      "SELECT DISTINCT table FROM system.columns WHERE database = currentDatabase() AND name = 'value' AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree')",
    );
    const views = await names(
      "SELECT as_select FROM system.tables WHERE database = currentDatabase() AND engine = 'View'",
    );
    const read = withValues.filter((table) => views.some((view) => new RegExp(`\\b${table}\\b`).test(view)));
    expect(read.sort()).toEqual([...SAMPLE_TABLES].sort());
  });
});
