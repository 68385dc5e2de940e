import type {
  CompareResponse,
  FlameGraphResponse,
  HeatmapResponse,
  SeriesResponse,
  TopResponse,
} from '@perfleet/api-contract';
import { describe, expect, it } from 'vitest';
import { get, MS, refused, T0, useTestApi } from '../api.fixture.ts';

useTestApi();

const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);

describe('heatmap', () => {
  it('counts things by their rate, step by step', async () => {
    const map = await get<HeatmapResponse>('heatmap', { query: 'cpu', step: '60', buckets: '5', by: 'service' });
    const most = 0.05 / 60;
    expect(map).toMatchObject({ type: 'cpu', unit: 'nanoseconds', rateUnit: 'cores', step: 60, total: 68 * MS });
    expect(map.times).toEqual([T0 * 1000, (T0 + 60) * 1000]);
    expect(map.bounds).toEqual([0, 1, 2, 3, 4, 5].map((i) => (most * i) / 5));
    // 11 of 50 ms is in the second fifth, 50 of 50 in the last, 7 in the first.
    expect(map.cells).toEqual({
      time: [0, 0, 1],
      bucket: [1, 4, 0],
      count: [1, 1, 1],
      value: [11 * MS, 50 * MS, 7 * MS],
    });
  });

  it('puts things of one rate into one cell', async () => {
    const map = await get<HeatmapResponse>('heatmap', { step: '60', buckets: '1', until: String(T0 + 60) });
    expect(map.cells).toEqual({ time: [0], bucket: [0], count: [2], value: [61 * MS] });
  });

  it.each(['cpu', 'cpu{service="checkout"}', '{node!="n1"}', 'cpu{service="none"}'])(
    'agrees with flame graph, top and series of %s',
    async (query) => {
      const { total } = await get<FlameGraphResponse>('flamegraph', { query });
      const top = await get<TopResponse>('top', { query });
      expect(sum(top.functions.map((f) => f.self))).toBe(total);
      for (const by of [{}, { by: 'node' }, { by: 'team' }] as Record<string, string>[]) {
        const map = await get<HeatmapResponse>('heatmap', { query, step: '60', ...by });
        const { series } = await get<SeriesResponse>('series', { query, step: '60', ...by });
        expect(map.total).toBe(total);
        map.times.forEach((_, step) => {
          const column = map.cells.value.filter((__, cell) => map.cells.time[cell] === step);
          expect(sum(column)).toBe(sum(series.map(({ values }) => values[step]!)));
        });
      }
    },
  );

  it('is bounded', async () => {
    expect(await refused('heatmap', { from: '0', until: '1000000', step: '1' })).toMatchObject({
      status: 400,
      message: 'more than 1000 steps; choose a larger step',
    });
    expect(await refused('heatmap', { buckets: '101' })).toMatchObject({ status: 400 });
    const empty = await get<HeatmapResponse>('heatmap', { query: 'memory', from: 'now-1h', until: 'now' });
    expect(empty).toMatchObject({ total: 0, cells: { time: [], bucket: [], count: [], value: [] } });
  });
});

describe('compare', () => {
  const services = { label: 'service', base: "sea'rch", with: 'checkout' };
  const list = (functions: CompareResponse['gained']) => functions.map((f) => [f.function, f.self / MS, f.change / MS]);

  it('scales the base to the same CPU time, and tells what gained and what lost', async () => {
    const answer = await get<CompareResponse>('compare', { query: 'cpu', ...services });
    expect(answer).toMatchObject({
      ...{ type: 'cpu', unit: 'nanoseconds', per: 'cpu', scale: 57 / 11 },
      base: { selector: `cpu{service="sea'rch"}`, total: 11 * MS, samples: 11, pods: 0, from: T0 * 1000 },
      with: { selector: 'cpu{service="checkout"}', total: 57 * MS, samples: 57, pods: 0, until: (T0 + 120) * 1000 },
    });
    expect(list(answer.gained)).toEqual([
      ['inner', 50, 50],
      ['liblost.so+0x2abc', 7, 7],
    ]);
    expect(list(answer.lost)).toEqual([['main', 0, -57]]);
    expect(answer.others).toEqual({ functions: 1, baseSelf: 0, self: 0, change: 0 });
  });

  it('scales by time: half as long a base counts twice', async () => {
    const times = { baseFrom: String(T0), baseUntil: String(T0 + 60) };
    const answer = await get<CompareResponse>('compare', { query: 'cpu{service="checkout"}', per: 'time', ...times });
    expect(answer.scale).toBe(2);
    expect(list(answer.lost)).toEqual([['inner', 50, -50]]);
    expect(list(answer.gained)).toEqual([['liblost.so+0x2abc', 7, 7]]);
  });

  it.each(['0', '1', '20'])(
    'keeps both totals exact with a limit of %s, as flame graph and top have them',
    async (limit) => {
      const answer = await get<CompareResponse>('compare', { query: 'cpu', ...services, limit });
      const listed = [...answer.gained, ...answer.lost];
      for (const [value, query] of [
        [sum(listed.map((f) => f.self)) + answer.others.self, 'cpu{service="checkout"}'],
        [sum(listed.map((f) => f.base.self)) + answer.others.baseSelf, `cpu{service="sea'rch"}`],
      ] as const) {
        expect(value).toBe((await get<FlameGraphResponse>('flamegraph', { query })).total);
        expect(value).toBe(sum((await get<TopResponse>('top', { query })).functions.map((f) => f.self)));
      }
      expect(sum(listed.map((f) => f.change)) + answer.others.change).toBeCloseTo(0, 3);
    },
  );

  it('takes an empty base for nothing: all of it is new', async () => {
    const answer = await get<CompareResponse>('compare', { query: 'cpu', ...services, base: 'none' });
    expect(answer).toMatchObject({ scale: 0, base: { total: 0 }, lost: [] });
    expect(sum(answer.gained.map((f) => f.change))).toBe(57 * MS);
  });

  it.each([
    [{}, 'say what to compare with'],
    [{ label: 'service', base: 'a' }, 'go together'],
    [{ ...services, per: 'moon' }, 'per must be one of cpu, time, pod'],
    [{ ...services, per: 'pod' }, 'per=pod needs pods on both sides'],
    [{ baseQuery: 'cpu{' }, 'baseQuery:'],
  ])('refuses %j', async (query, why) => {
    const answer = await refused('compare', query as Record<string, string>);
    expect(answer.status).toBe(400);
    expect(answer.message).toContain(why);
  });
});
