import { gunzipSync } from 'node:zlib';
import type {
  CompareResponse,
  DiffResponse,
  FlameGraphResponse,
  HeatmapResponse,
  ProfileTypesResponse,
  SeriesResponse,
  TopResponse,
} from '@perfleet/api-contract';
import { namedFrameId, seriesId, stackId } from '@perfleet/ids';
import { decodePprof } from '@perfleet/pprof';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkout, get, main, MS, paths, request, stacks, store, T0, url, useTestApi } from '../api.fixture.ts';

const WALL = 'wall_clock:wall_clock:nanoseconds:wall_clock:nanoseconds';
const asleep = namedFrameId('kernel', '__schedule', '', 0);
const waiting = stackId([main, asleep]);

useTestApi();

/** Of the service checkout 57 ms of CPU time are there; besides it waits for 430 ms, 30 of them in a stack that runs, too. */
beforeAll(async () => {
  const series = (type: string, unit: string, service = 'checkout') => {
    const id = seriesId([
      ['service', service],
      ['type', type],
      ['unit', unit],
    ]);
    return {
      id,
      row: `(${id}, '${service}', '${checkout.node}', 'node', '${type}', '${unit}', map('team', 'a'), ${T0})`,
    };
  };
  const blocked = series('off_cpu', 'nanoseconds');
  // What must not be summed: CPU in another unit, and a wall clock of another agent's.
  const others = [series('cpu', 'cycles', 'counters'), series('wall', 'nanoseconds')];
  await store.command(
    `INSERT INTO series (series, service, node, process, type, unit, labels, seen) VALUES ${[blocked, ...others].map(({ row }) => row).join()}`,
  );
  await store.command(`INSERT INTO stacks (stack, frames) VALUES (${waiting}, [${main}, ${asleep}])`);
  await store.command(`INSERT INTO frames (frame, kind, function) VALUES (${asleep}, 'kernel', '__schedule')`);
  const samples = [
    [5, blocked.id, waiting, 100 * MS],
    [65, blocked.id, waiting, 300 * MS],
    [5, blocked.id, stacks.work, 30 * MS],
    ...others.map(({ id }) => [5, id, waiting, 5000 * MS] as const),
  ] as const;
  await store.command(
    `INSERT INTO samples (* EXCEPT(workload)) VALUES ${samples.map(([t, ...rest]) => `(${[T0 + t, ...rest].join()})`).join()}`,
  );
});

const query = 'wall_clock{service="checkout"}';

describe('wall-clock time', () => {
  it('is a type where CPU time and blocked time are, and of one unit', async () => {
    const { types } = await get<ProfileTypesResponse>('profile-types');
    expect(types.filter(({ type }) => type.startsWith('wall'))).toEqual([
      { type: 'wall', unit: 'nanoseconds' },
      { type: 'wall_clock', unit: 'nanoseconds' },
    ]);
  });

  it('is the sum of both, stack by stack', async () => {
    const graph = await get<FlameGraphResponse>('flamegraph', { query });
    expect([graph.type, graph.unit, graph.total]).toEqual(['wall_clock', 'nanoseconds', (57 + 430) * MS]);
    expect(paths(graph)).toMatchObject({
      'node;main': [0, 487],
      'node;main;__schedule': [400, 400],
      'node;main;outer;inner': [50 + 30, 80],
      'node;main;liblost.so+0x2abc': [7, 7],
    });
    // Of everybody, those without blocked time included.
    const total = async (of: string) => (await get<TopResponse>('top', { query: of })).total;
    expect(await total('wall_clock')).toBe((68 + 430) * MS);
    expect(await total('{__name__="wall_clock", process="java"}')).toBe(11 * MS);
    // Both have one unit here, so they are what it is made of.
    for (const filter of ['team="a"', 'node="n1"', 'process=~"j.*"'])
      expect(await total(`wall_clock{${filter}}`)).toBe(
        (await total(`cpu{${filter}, service=~"checkout|sea.*"}`)) + (await total(`off_cpu{${filter}}`)),
      );
  });

  it('adds up over time and by the types that it is made of', async () => {
    const byType = await get<SeriesResponse>('series', { query, step: '60', by: 'type' });
    expect([byType.unit, byType.series]).toEqual([
      'nanoseconds',
      [
        { labels: { type: 'off_cpu' }, values: [130 * MS, 300 * MS] },
        { labels: { type: 'cpu' }, values: [50 * MS, 7 * MS] },
      ],
    ]);
    const all = await get<SeriesResponse>('series', { query, step: '60' });
    expect(all.series).toEqual([{ labels: {}, values: [180 * MS, 307 * MS] }]);
  });

  it('counts the two parts of a thing as one in a heatmap', async () => {
    const { type, rateUnit, total, cells } = await get<HeatmapResponse>('heatmap', { query, step: '60' });
    expect([type, rateUnit, total]).toEqual(['wall_clock', 'threads', 487 * MS]);
    expect([cells.count, cells.value]).toEqual([
      [1, 1],
      [180 * MS, 307 * MS],
    ]);
  });

  it('compares, differs and exports like any type', async () => {
    const diff = await get<DiffResponse>('diff', { query, baseQuery: `cpu{service="sea'rch"}` });
    expect([diff.unit, diff.baseTotal, diff.total]).toEqual(['nanoseconds', 11 * MS, 487 * MS]);
    const compared = await get<CompareResponse>('compare', {
      query: 'wall_clock{}',
      ...{ label: 'service', base: "sea'rch", with: 'checkout' },
    });
    expect([compared.type, compared.base.total, compared.with.total]).toEqual(['wall_clock', 11 * MS, 487 * MS]);
    const folded = await (await request('/api/v1/export', { query, format: 'folded' })).text();
    expect(folded.trim().split('\n')).toContain(`node;main;__schedule ${400 * MS}`);
    const pprof = await request('/api/v1/export', { query, format: 'pprof' });
    const profile = decodePprof(gunzipSync(await pprof.arrayBuffer()));
    expect(profile.sampleTypes).toEqual([{ type: 'wall_clock', unit: 'nanoseconds' }]);
    expect(profile.samples.reduce((sum, { values }) => sum + Number(values[0]), 0)).toBe(487 * MS);
  });
});

describe('wall-clock time through Pyroscope’s querier', () => {
  const ask = async (method: string, body: object) => {
    const range = { start: String(T0 * 1000), end: String((T0 + 119) * 1000) };
    const response = await fetch(`${url}/querier.v1.QuerierService/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...range, ...body }),
    });
    expect(response.status).toBe(200);
    return (await response.json()) as Record<string, unknown>;
  };

  it('is listed beside the types that are stored, and for the services that have both', async () => {
    const { profileTypes } = await ask('ProfileTypes', {});
    expect((profileTypes as Array<{ ID: string }>).map(({ ID }) => ID)).toContain(WALL);
    const { labelsSet } = await ask('Series', { matchers: [], labelNames: ['service_name', '__profile_type__'] });
    const services = (labelsSet as Array<{ labels: Array<{ name: string; value: string }> }>)
      .map(({ labels }) => Object.fromEntries(labels.map(({ name, value }) => [name, value])))
      .filter((labels) => labels['__profile_type__'] === WALL);
    expect(services).toEqual([{ service_name: 'checkout', __profile_type__: WALL }]);
    const { labelsSet: only } = await ask('Series', {
      matchers: [`{__profile_type__="${WALL}"}`],
      labelNames: ['__profile_type__'],
    });
    expect(only).toEqual([{ labels: [{ name: '__profile_type__', value: WALL }] }]);
  });

  it('has the total of both, in flame graphs and in points of which none stands twice', async () => {
    const of = { profileTypeID: WALL, labelSelector: '{service_name="checkout"}' };
    const { flamegraph } = await ask('SelectMergeStacktraces', of);
    expect((flamegraph as { total: string }).total).toBe(String(487 * MS));
    const { series } = await ask('SelectSeries', { ...of, step: 60, groupBy: ['__profile_type__'] });
    const lines = series as Array<{ labels: unknown; points: Array<{ value: number; timestamp: string }> }>;
    expect(lines.map(({ labels }) => labels)).toEqual([[{ name: '__profile_type__', value: WALL }]]);
    const { points } = lines[0]!;
    expect(new Set(points.map(({ timestamp }) => timestamp)).size).toBe(points.length);
    expect(points.reduce((sum, { value }) => sum + value, 0)).toBe(487 * MS);
  });
});
