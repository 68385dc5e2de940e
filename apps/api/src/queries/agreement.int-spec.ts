import { gunzipSync } from 'node:zlib';
import type {
  CompareResponse,
  DiffResponse,
  FlameGraphResponse,
  HeatmapResponse,
  SeriesResponse,
  TopResponse,
} from '@perfleet/api-contract';
import { decodePprof } from '@perfleet/pprof';
import { expect, it } from 'vitest';
import { get, inRange, MS, request, sql, useTestApi } from '../api.fixture.ts';

useTestApi();

const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
type Forms = Record<string, () => Promise<number>>;

/** Milliseconds of CPU time that each form of an answer adds up to. */
function forms(query: string): Forms {
  const flame = async (change: Record<string, string> = {}) => {
    const { total, graph } = await get<FlameGraphResponse>('flamegraph', { query, ...change });
    expect(sum(graph.self)).toBe(total);
    return total;
  };
  const series = async (change: Record<string, string>) =>
    sum((await get<SeriesResponse>('series', { query, step: '7', ...change })).series.flatMap(({ values }) => values));
  const file = (format: string) => request('/api/v1/export', { query, format });
  const range = Object.values(inRange).join(' AND time < ').replace(/^/, 'time >= ');
  return {
    'flame graph': () => flame(),
    'of two nodes': () => flame({ maxNodes: '2' }),
    inverted: () => flame({ invert: 'true' }),
    ...Object.fromEntries(['file', 'line', 'module'].map((merge) => [`by ${merge}`, () => flame({ merge })])),
    top: async () => sum((await get<TopResponse>('top', { query })).functions.map(({ self }) => self)),
    series: () => series({}),
    'series by label': () => series({ by: 'service', limit: '1' }),
    'series by function': () => series({ by: 'function', limit: '1' }),
    heatmap: async () => sum((await get<HeatmapResponse>('heatmap', { query })).cells.value),
    diff: async () =>
      sum((await get<DiffResponse>('diff', { query, baseQuery: 'cpu{}' })).functions.map((f) => f.self)),
    compare: async () => {
      const of = { query, baseQuery: 'cpu{}', limit: '1' };
      const { gained, lost, others } = await get<CompareResponse>('compare', of);
      return sum([...gained, ...lost, others].map(({ self }) => self));
    },
    folded: async () =>
      sum(
        (await (await file('folded')).text())
          .trim()
          .split('\n')
          .map((l) => Number(l.split(' ').at(-1))),
      ),
    speedscope: async () => {
      const { profiles } = (await (await file('speedscope')).json()) as { profiles: Array<{ weights: number[] }> };
      return sum(profiles.flatMap(({ weights }) => weights));
    },
    'Firefox Profiler': async () => {
      const { threads } = (await (await file('firefox')).json()) as {
        threads: Array<{ samples: { weight: number[] } }>;
      };
      return MS * sum(threads.flatMap(({ samples }) => samples.weight));
    },
    pprof: async () => {
      const { samples } = decodePprof(gunzipSync(await (await file('pprof')).arrayBuffer()));
      return sum(samples.map(({ values }) => Number(values[0])));
    },
    SQL: async () => {
      const where = query.includes('checkout') ? "service = 'checkout'" : "type = 'cpu'";
      const { body } = await sql(`SELECT sum(value) FROM profiles WHERE ${where} AND ${range}`);
      return Number(body.rows[0]![0]);
    },
  };
}

it.each([
  ['cpu{}', 68],
  ['cpu{service="checkout"}', 57],
])('every form of %s has every sample once', async (query, milliseconds) => {
  const sums = Object.entries(forms(query)).map(async ([name, ask]) => [name, (await ask()) / MS]);
  const expected = Object.keys(forms(query)).map((name) => [name, milliseconds]);
  expect(Object.fromEntries(await Promise.all(sums))).toEqual(Object.fromEntries(expected));
});
