import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Report } from '@perfleet/bench';
import { openStore } from '@perfleet/clickhouse';
import { createAggregator } from '@perfleet/aggregator';
import { createLogger } from '@perfleet/observability';
import { openEmbeddedStream } from '@perfleet/stream';
import { requireTool, waitFor } from '@perfleet/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { bestRung, runPerfleet } from '../support/perfleet.ts';

const directory = mkdtempSync(join(tmpdir(), 'perfleet-bench-spec-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The quick form: what it reports must be whole and consistent; how fast anything was is nobody's business here. */
async function bench(name: string, ...flags: string[]): Promise<Report> {
  const { code, out, err } = await runPerfleet(['bench', name, '--quick', '--json', ...flags]);
  if (code !== 0) throw new Error(`bench ${name} ended with ${code}:\n${err}`);
  expect(err).toMatch(new RegExp(`^bench ${name} \\d+ s: `));
  const report = JSON.parse(out) as Report;
  expect(report).toMatchObject({ name, machine: { cpus: expect.any(Number) } });
  expect(report.machine.cpus).toBeGreaterThan(0);
  expect(Math.abs(Date.now() - Date.parse(report.date))).toBeLessThan(600_000);
  for (const { what, value, referenceValue, ratio } of report.ratios) {
    expect(value, what).toBeGreaterThan(0);
    expect(referenceValue, what).toBeGreaterThan(0);
    expect(ratio / (value / referenceValue), what).toBeCloseTo(1, 1);
  }
  for (const { columns, rows } of report.tables) for (const row of rows) expect(row).toHaveLength(columns.length);
  return report;
}

function column(report: Report, title: RegExp, name: string): Record<string, number> {
  const table = report.tables.find((t) => title.test(t.title))!;
  const at = table.columns.indexOf(name);
  expect(at, name).toBeGreaterThan(0);
  return Object.fromEntries(table.rows.map((row) => [String(row[0]), Number(row[at])]));
}

describe('perfleet bench', () => {
  it('query: every query answers, and a short range reads no more than a long one', async () => {
    const report = await bench('query', '--rows', '30k');
    expect(report.parameters['rows']).toBeGreaterThan(20_000);
    const read = column(report, /Through the API/, 'rows read');
    expect(read['flame graph, service, 5 min']!).toBeLessThan(read['flame graph, service, 24 h']!);
    // Inner parts of a day come from roll-ups.
    expect(read['flame graph, fleet, 24 h']!).toBeGreaterThan(0);
    expect(read['flame graph, fleet, 24 h']!).toBeLessThan(Number(report.parameters['rows']));
    const nodes = column(report, /Through the API/, 'nodes');
    expect(nodes['flame graph, fleet, 24 h, every node']!).toBeGreaterThanOrEqual(nodes['flame graph, fleet, 24 h']!);
    for (const ms of Object.values(column(report, /Through the API/, 'warm ms'))) expect(ms).toBeGreaterThan(0);
  });

  it('storage: every table has its bytes, and a merge makes them fewer', async () => {
    const report = await bench('storage');
    const inserted = column(report, /The slice/, 'as inserted');
    const merged = column(report, /The slice/, 'merged');
    for (const table of ['samples', 'samples_10m', 'samples_1d', 'stacks', 'frames', 'series', 'workloads'])
      expect(merged[table], table).toBeGreaterThan(0);
    expect(merged['all']!).toBeLessThan(inserted['all']!);
    const month = column(report, /A month/, 'all');
    expect(month['the first, ten deployments a day']!).toBeGreaterThan(month['the first, a deployment a week']!);
    for (const bytes of Object.values(column(report, /Layouts/, 'all'))) expect(bytes).toBeGreaterThan(0);
  });

  it('pipeline: the store holds what the fleet sent, and the stages are there', async () => {
    const report = await bench('pipeline', '--rows', '10k');
    expect(report.parameters['rows']).toBeGreaterThanOrEqual(10_000);
    const speed = column(report, /Stages/, 'rows a CPU-second');
    expect(Object.keys(speed)).toEqual(expect.arrayContaining(['decode', 'decode and map, everything new']));
    for (const [stage, rows] of Object.entries(speed)) expect(rows, stage).toBeGreaterThan(0);
    const sizes = column(report, /Sizes/, 'bytes a row');
    expect(sizes['stream, zstd level 3 over 16 messages']!).toBeLessThan(sizes['stream, as sent']!);
    expect(sizes['store, samples']!).toBeGreaterThan(0);
  });

  it('symbolize: answers as the tools do', async () => {
    const report = await bench('symbolize');
    const functions = column(report, /same addresses/, 'functions an address');
    const ours = functions['perfleet, warm']!;
    expect(ours).toBeGreaterThan(1);
    for (const [tool, theirs] of Object.entries(functions)) expect(theirs / ours, tool).toBeCloseTo(1, 1);
  });

  const root = process.getuid?.() === 0 && requireTool('g++').available && bestRung() <= 2;
  it.skipIf(!root)(
    `sampler: samples of the known load arrive${root ? '' : ' (skipped: needs root and g++)'}`,
    async () => {
      const report = await bench('sampler', '--duration', '4');
      const table = report.tables.find((t) => /Cost/.test(t.title))!;
      const of = (row: readonly (string | number)[], name: string) => Number(row[table.columns.indexOf(name)]);
      const ours = table.rows.filter((row) => row[1] === 'perfleet');
      expect(ours).toHaveLength(2);
      for (const row of ours) {
        expect(of(row, 'samples')).toBeGreaterThan(0);
        expect(of(row, 'delivered %')).toBeGreaterThan(50);
        expect(of(row, 'CPU ms per 1,000 samples')).toBeGreaterThan(0);
        expect(of(row, 'stack reaches main %')).toBeGreaterThan(50);
      }
    },
  );

  it('says what is wrong with a flag, and names its benchmarks', async () => {
    const bad = await runPerfleet(['bench', 'query', '--rows', 'many']);
    expect([bad.code, bad.err]).toEqual([1, expect.stringContaining('--rows many: expected a number')]);
    const recorded = await runPerfleet(['bench', 'query', '--quick', '--record']);
    expect([recorded.code, recorded.err]).toEqual([1, expect.stringContaining('not recorded')]);
    const help = await runPerfleet(['bench', '--help']);
    for (const name of ['sampler', 'pipeline', 'query', 'symbolize']) expect(help.out).toContain(name);
  });
});

describe('perfleet simulate', () => {
  it('publishes messages that the aggregator stores exactly, by service and stack', async () => {
    const data = join(directory, 'data');
    const file = join(directory, 'totals.json');
    const flags = ['--nodes', '3', '--pods', '20', '--services', '3', '--stacks', '200', '--duration', '30s'];
    const { code, out, err } = await runPerfleet(
      ['simulate', ...flags, '--speed', '0', '--data', data, '--totals', file],
      { PERFLEET_KAFKA_BROKERS: '' },
    );
    if (code !== 0) throw new Error(err);
    const totals = JSON.parse(readFileSync(file, 'utf8')) as {
      samples: number;
      stacks: Record<string, Record<string, number>>;
    };
    expect(out).toMatch(new RegExp(`^${totals.samples} samples of 20 pods on 3 nodes in 18 messages`));
    const stream = await openEmbeddedStream({ path: join(data, 'stream.db') });
    const store = await openStore({ kind: 'embedded', path: join(directory, 'clickhouse') });
    const logger = createLogger('test', { level: 'error' });
    const aggregator = createAggregator({ stream, store, topicPrefix: '', logger, flushMs: 50 });
    try {
      await aggregator.start();
      await waitFor(() => aggregator.stats().messages >= 18, { timeoutMs: 60_000, what: 'every message to be stored' });
      const rows = await store.query<{ service: string; stack: string; n: string }>(
        `SELECT service, stack, sum(value / period) AS n FROM samples
         INNER JOIN (SELECT series, any(service) AS service, any(period) AS period FROM series GROUP BY series) AS l USING (series)
         GROUP BY service, stack`,
      );
      const stored: Record<string, Record<string, number>> = {};
      for (const { service, stack, n } of rows) (stored[service] ??= {})[stack] = Number(n);
      expect(stored).toEqual(totals.stacks);
      const [balance] = await store.query<{ taken: string; missing: string }>(
        'SELECT sum(taken) AS taken, sum(balance) AS missing FROM deliveries',
      );
      expect(balance).toEqual({ taken: String(totals.samples), missing: '0' });
    } finally {
      await aggregator.stop();
      await stream.close();
      await store.close();
    }
  });
});
