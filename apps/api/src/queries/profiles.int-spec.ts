import { gunzipSync } from 'node:zlib';
import type { SeriesResponse, TopResponse } from '@perfleet/api-contract';
import { nativeFrameId, stackId } from '@perfleet/ids';
import { decodePprof } from '@perfleet/pprof';
import { firefoxProblems } from '@perfleet/profile/firefox-check';
import { describe, expect, it } from 'vitest';
import { get, MS, refused, request, search, sql, store, T0, useTestApi } from '../api.fixture.ts';

useTestApi();

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
    // What gained most with the time is all of both sides: its share did not change.
    const longer = { query: '{service="checkout"}', baseFrom: String(T0), baseUntil: String(T0 + 5) };
    const changes = async (by: string) =>
      (await get<typeof diff>('diff', { ...longer, by })).functions.map((each) => each.function);
    expect(await changes('value')).toMatchObject({ 0: 'main', length: 4 });
    expect(await changes('share')).toMatchObject({ 3: 'main', length: 4 });
    expect(await refused('diff', { by: 'ratio' })).toMatchObject({ status: 400 });
  });

  it('exports folded stacks, speedscope, the Firefox Profiler’s format and pprof', async () => {
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
    const firefox = await request('/api/v1/export', { format: 'firefox' });
    expect(firefox.headers.get('content-disposition')).toMatch(/\.firefox\.json"$/);
    const file = (await firefox.json()) as { threads: Array<{ name: string; samples: { weight: number[] } }> };
    expect(firefoxProblems(file)).toEqual([]);
    // Milliseconds of CPU time; a track per process.
    expect(file.threads.map(({ name, samples }) => [name, samples.weight])).toEqual([
      ['node', [50, 7]],
      ['java', [11]],
    ]);
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
    await store.command(`INSERT INTO frames (* EXCEPT(seen)) VALUES ${values.join(', ')}`);
    await store.command(`INSERT INTO stacks (* EXCEPT(seen)) VALUES (${stack}, [${others.join(', ')}])`);
    await store.command(
      `INSERT INTO samples (* EXCEPT(workload)) VALUES (${T0 + 4000}, ${search.id}, ${stack}, ${5 * MS})`,
    );
    const range = { from: String(T0 + 3999), until: String(T0 + 4001) };
    expect(await get('unresolved-binaries', range)).toMatchObject({
      binaries: [{ binary: '/opt/new', reason: 'not looked at yet', samples: 5, share: 1 }],
    });
  });
});
