import { gunzipSync } from 'node:zlib';
import type {
  CompareResponse,
  DiffResponse,
  FlameGraphResponse,
  HeatmapResponse,
  LabelsResponse,
  SeriesResponse,
  TopResponse,
} from '@perfleet/api-contract';
import type { QueryParams } from '@perfleet/clickhouse';
import { decodePprof } from '@perfleet/pprof';
import { compileLinks } from '@perfleet/selector';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  checkout,
  get,
  MS,
  paths,
  refused,
  request,
  search,
  sql,
  stacks,
  store,
  T0,
  url,
  useTestApi,
} from '../api.fixture.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const OTHER = 'ab'.repeat(16);
/** Of `TRACE` the first two, of `OTHER` the third. */
const SPANS = ['00f067aa0ba902b7', '00f067aa0ba902b8', '00f067aa0ba902b9'] as const;
const trace = `trace_id="${TRACE}"`;

useTestApi();

/** Samples of the data set were taken in: 30 and 11 ms in the spans of `TRACE`, 12 of 20 ms in that of `OTHER`; 7 ms in none. */
beforeAll(async () => {
  const rows = [
    [0, checkout.id, stacks.work, TRACE, SPANS[0], 30],
    [5, search.id, stacks.main, TRACE, SPANS[1], 11],
    [5, checkout.id, stacks.work, OTHER, SPANS[2], 12],
    // Outside of the range that is asked for.
    [120, checkout.id, stacks.work, TRACE, SPANS[0], 1000],
  ] as const;
  const values = rows.map(
    ([at, series, stack, traceId, spanId, ms]) =>
      `(${T0 + at}, ${series}, ${stack}, unhex('${traceId}'), unhex('${spanId}'), ${ms * MS})`,
  );
  await store.command(`INSERT INTO linked_samples (* EXCEPT(workload)) VALUES ${values.join()}`);
});

const total = async (query: string) => (await get<TopResponse>('top', { query })).total / MS;

describe('a selector with spans', () => {
  it.each([
    [trace, 41],
    [`trace_id="${TRACE.toUpperCase()}"`, 41],
    [`trace_id=~"${TRACE}|${OTHER}"`, 53],
    [`span_id="${SPANS[0]}"`, 30],
    [`span_id=~"${SPANS[0]}|${SPANS[2]}"`, 42],
    [`${trace}, span_id="${SPANS[2]}"`, 0],
    [`${trace}, service="checkout"`, 30],
    [`${trace}, node="n2"`, 11],
    [`${trace}, team="a", process!="java"`, 30],
    [`span_id="${'0'.repeat(16)}"`, 0],
    // The same as ever, with and without a label of instances.
    ['', 68],
    ['node=~".+"', 68],
  ])('{%s} has the samples that were taken in them', async (matchers, ms) => {
    expect(await total(`cpu{${matchers}}`)).toBe(ms);
  });

  it('is no matter of roll-ups, whatever the range', async () => {
    const range = { from: String(T0 - 86_400), until: String(T0 + 86_400) };
    const { total: sum } = await get<TopResponse>('top', { query: `cpu{${trace}}`, ...range });
    expect(sum).toBe(1041 * MS);
  });

  it('answers in every form, and each agrees', async () => {
    const query = `cpu{${trace}}`;
    const graph = await get<FlameGraphResponse>('flamegraph', { query });
    expect(paths(graph)).toEqual({
      all: [0, 41],
      node: [0, 30],
      'node;main': [0, 30],
      'node;main;outer': [0, 30],
      'node;main;outer;inner': [30, 30],
      java: [0, 11],
      'java;main': [11, 11],
    });
    const series = await get<SeriesResponse>('series', { query, step: '60', by: 'service' });
    expect(series.series).toEqual([
      { labels: { service: 'checkout' }, values: [30 * MS, 0] },
      { labels: { service: "sea'rch" }, values: [11 * MS, 0] },
    ]);
    const byFunction = await get<SeriesResponse>('series', { query, step: '60', by: 'function' });
    expect(byFunction.series.find(({ labels }) => labels['function'] === 'inner')!.values).toEqual([30 * MS, 0]);
    expect((await get<HeatmapResponse>('heatmap', { query, step: '60' })).total).toBe(41 * MS);
    const diff = await get<DiffResponse>('diff', { query, baseQuery: `cpu{span_id="${SPANS[2]}"}` });
    expect([diff.baseTotal, diff.total]).toEqual([12 * MS, 41 * MS]);
    const services = { label: 'service', base: "sea'rch", with: 'checkout' };
    const compared = await get<CompareResponse>('compare', { query, ...services });
    expect([compared.base.total, compared.with.total]).toEqual([11 * MS, 30 * MS]);
    const folded = await (await request('/api/v1/export', { query, format: 'folded' })).text();
    expect(folded.trim().split('\n').sort()).toEqual([`java;main ${11 * MS}`, `node;main;outer;inner ${30 * MS}`]);
    const pprof = await request('/api/v1/export', { query, format: 'pprof' });
    const { samples } = decodePprof(gunzipSync(await pprof.arrayBuffer()));
    expect(samples.map(({ values }) => Number(values[0])).sort()).toEqual([11 * MS, 30 * MS]);
  });

  it.each([
    [`cpu{span_id!="${SPANS[0]}"}`, 11],
    ['cpu{span_id=~"00f0.*"}', 18],
    [`cpu{trace_id="${SPANS[0]}"}`, 30],
  ])('is refused as %s at %i', async (query, position) => {
    expect(await refused('top', { query })).toMatchObject({ status: 400, position });
  });

  it('lists no ids: they are no labels', async () => {
    const { labels } = await get<LabelsResponse>('labels');
    expect(labels.filter((label) => /_id$/.test(label))).toEqual(['container_id']);
    for (const [path, query] of [
      ['labels/span_id/values', {}],
      ['series', { query: 'cpu', step: '60', by: 'trace_id' }],
    ] as const)
      expect(await refused(path, query)).toMatchObject({
        status: 400,
        message: expect.stringContaining('SQL view spans'),
      });
  });

  it('finds a span of any time by the index', async () => {
    const plan = async (from: string, where: string, params: QueryParams = {}) => {
      const { rows } = await store.columns(`EXPLAIN indexes = 1 SELECT sum(value) FROM ${from} WHERE ${where}`, params);
      return [
        ...rows
          .flat()
          .join('\n')
          .matchAll(/Skip[│\s]+Name: (\w+)/g),
      ].map(([, index]) => index);
    };
    for (const [index, label, id] of [
      ['traces', 'trace_id', TRACE],
      ['spans', 'span_id', SPANS[0]],
    ] as const) {
      const links = compileLinks({ type: 'cpu', matchers: [{ label, op: '=~', value: `${id}|${id}` }] })!;
      expect(await plan('linked_samples', links.where, links.params)).toEqual([index]);
      expect(await plan('spans', `${label} = '${id}'`)).toEqual([index]);
      expect(await plan('spans', `${label} IN ('${id}', '')`)).toEqual([index]);
    }
  });

  it('has the same sums in SQL', async () => {
    const { body } = await sql(
      'SELECT span_id, service, sum(value) FROM spans WHERE trace_id = {t:String} GROUP BY ALL ORDER BY ALL',
      {
        t: TRACE,
      },
    );
    expect(body.rows).toEqual([
      [SPANS[0], 'checkout', String(1030 * MS)],
      [SPANS[1], "sea'rch", String(11 * MS)],
    ]);
  });
});

describe('spans through Pyroscope’s querier', () => {
  const profileTypeID = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
  const ask = async (method: string, body: object) => {
    const range = { start: String(T0 * 1000), end: String((T0 + 119) * 1000) };
    const response = await fetch(`${url}/querier.v1.QuerierService/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...range, ...(method === 'Series' ? {} : { profileTypeID }), ...body }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const totalOf = async (method: string, body: object) =>
    Number(((await ask(method, body)).body as { flamegraph?: { total: string } }).flamegraph?.total ?? 0) / MS;

  it('are selected by their ids in a selector and by the fields that are made for them', async () => {
    expect(await totalOf('SelectMergeStacktraces', { labelSelector: `{${trace}}` })).toBe(41);
    expect(await totalOf('SelectMergeStacktraces', { labelSelector: '{}', traceIdSelector: [OTHER] })).toBe(12);
    const spans = { labelSelector: '{}', spanSelector: [SPANS[0], SPANS[2]] };
    expect(await totalOf('SelectMergeStacktraces', spans)).toBe(42);
    expect(await totalOf('SelectMergeSpanProfile', spans)).toBe(42);
    expect(await totalOf('SelectMergeSpanProfile', { ...spans, labelSelector: `{service_name="sea'rch"}` })).toBe(0);
    expect(await totalOf('SelectMergeStacktraces', { labelSelector: '{}' })).toBe(68);
    const { body } = await ask('SelectMergeProfile', { labelSelector: `{span_id="${SPANS[1]}"}` });
    expect((body as { sample: Array<{ value: string[] }> }).sample.map(({ value }) => value)).toEqual([
      [String(11 * MS)],
    ]);
    const series = await ask('SelectSeries', { labelSelector: `{${trace}}`, step: 60, groupBy: ['service_name'] });
    const lines = (series.body as { series: Array<{ points: Array<{ value: number }> }> }).series;
    expect(lines.map(({ points }) => points.reduce((sum, { value }) => sum + value, 0) / MS)).toEqual([30, 11]);
    const { labelsSet } = (
      await ask('Series', {
        matchers: [`{span_id="${SPANS[1]}"}`, `{trace_id="${OTHER}", node="n2"}`],
        labelNames: ['node'],
      })
    ).body;
    expect(labelsSet).toEqual([{ labels: [{ name: 'node', value: 'n2' }] }]);
    const render = await request('/pyroscope/render', { query: `${profileTypeID}{${trace}}` });
    expect(((await render.json()) as { flamebearer: { numTicks: number } }).flamebearer.numTicks).toBe(41 * MS);
  });

  it('are refused when they are no ids, or none', async () => {
    expect(await ask('SelectMergeSpanProfile', { labelSelector: '{}', spanSelector: ['abc'] })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('span_selector: expected a span_id of 16 hexadecimal digits') },
    });
    expect(await ask('SelectMergeSpanProfile', { labelSelector: '{}' })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('span_selector is missing') },
    });
  });
});
