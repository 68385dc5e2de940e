import type { FlameGraphResponse, SeriesResponse } from '@perfleet/api-contract';
import { nativeFrameId, stackId } from '@perfleet/ids';
import { toFolded } from '@perfleet/profile';
import { describe, expect, it } from 'vitest';
import { checkout, get, main, MS, paths, refused, stacks, store, T0, useTestApi } from '../api.fixture.ts';
import { queryFunctionSeries } from './function-series.ts';
import { queryOneFunctionSeries } from './one-function-series.ts';
import { ProfileCache } from './profile-cache.ts';
import { functionStepsSql } from './samples.ts';
import { loadStacks } from './stack-set.ts';
import { StoreDb } from './store-db.ts';

useTestApi();

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

describe('the shape of a flame graph', () => {
  const shaped = (query: Record<string, string>) => get<FlameGraphResponse>('flamegraph', { query: 'cpu{}', ...query });
  const leaves = async (query: Record<string, string>) => {
    const found = Object.entries(paths(await shaped(query))).filter(([, [self]]) => self > 0);
    return Object.fromEntries(found.map(([path, [self]]) => [path, self]));
  };

  it('has every sample of the stacks in focus and without those that are ignored, and says how many there are', async () => {
    expect(await shaped({ focus: 'inn*' })).toMatchObject({ total: 50 * MS, selected: 68 * MS });
    expect(await leaves({ focus: 'inn*' })).toEqual({ 'node;main;outer;inner': 50 });
    expect(await leaves({ ignore: 'inner' })).toEqual({ 'node;main;liblost.so+0x2abc': 7, 'java;main': 11 });
    // The process is no function.
    expect(await shaped({ focus: 'node' })).toMatchObject({ total: 0, selected: 68 * MS });
  });

  it('stands on its head, and merges, with every sample', async () => {
    expect(await leaves({ invert: 'true' })).toEqual({
      'inner;outer;main;node': 50,
      'liblost.so+0x2abc;main;node': 7,
      'main;java': 11,
    });
    expect(await leaves({ merge: 'module' })).toEqual({
      'node;main;libwork.so': 50,
      'node;main;liblost.so': 7,
      'java;main': 11,
    });
    expect(await leaves({ merge: 'file' })).toMatchObject({ 'node;app.js;w.c': 50, 'java;app.js': 11 });
    expect(await leaves({ merge: 'line' })).toMatchObject({ 'node;main:1;outer:9;inner:7': 50 });
    for (const merge of ['function', 'file', 'line', 'module'])
      expect(await shaped({ merge, maxNodes: '2' })).toMatchObject({ total: 68 * MS });
  });

  it.each([
    ['merge', 'x'],
    ['invert', 'yes'],
    ['focus', 'x'.repeat(1025)],
  ])('refuses %s', async (name, value) => {
    expect(await refused('flamegraph', { [name]: value })).toMatchObject({
      status: 400,
      message: expect.stringContaining(name),
    });
  });
});

describe('series by function', () => {
  const lines = async (query: Record<string, string>) => {
    const { times, series } = await get<SeriesResponse>('series', { query: 'cpu{}', by: 'function', ...query });
    expect(times[0]).toBe(T0 * 1000);
    return series.map(({ labels, values }) => [labels['function'], ...values.map((value) => value / MS)]);
  };

  it('has the self value of functions per step, the largest first', async () => {
    expect(await lines({ step: '60' })).toEqual([
      ['inner', 50, 0],
      ['main', 11, 0],
      ['liblost.so+0x2abc', 0, 7],
    ]);
    expect(await lines({ step: '60', query: 'cpu{service="checkout"}' })).toEqual([
      ['inner', 50, 0],
      ['liblost.so+0x2abc', 0, 7],
    ]);
  });

  it('adds up to the total whatever has no line of its own', async () => {
    expect(await lines({ step: '60', limit: '1' })).toEqual([
      ['inner', 50, 0],
      ['(other)', 11, 7],
    ]);
  });

  it('refuses more than it can read, and cuts nothing', async () => {
    const request = { selector: { type: 'cpu', matchers: [] }, range: { from: T0, until: T0 + 120 }, step: 5 };
    const of = { ...request, limit: 9, unit: 'nanoseconds' };
    const ask = (pairs: number) => queryFunctionSeries(new StoreDb(store), new ProfileCache(), of, {}, pairs);
    await expect(ask(3)).rejects.toThrow(/more than 3 pairs of step and stack; choose a larger step/);
    expect((await ask(4)).series).toHaveLength(3);
  });
});

describe('series of one function', () => {
  const lines = async (name: string, query: Record<string, string> = {}) => {
    const asked = { query: 'cpu{}', step: '60', function: name, ...query };
    const { series } = await get<SeriesResponse>('series', asked);
    return series.map(({ labels, values }) => {
      expect(labels['function']).toBe(name);
      return [labels['value'], ...values.map((value) => value / MS)];
    });
  };

  it('has what its stacks have, and what it has itself', async () => {
    expect(await lines('inner')).toEqual([
      ['total', 50, 0],
      ['self', 50, 0],
    ]);
    // Everything is below it.
    expect(await lines('main')).toEqual([
      ['total', 61, 7],
      ['self', 11, 0],
    ]);
    expect(await lines('main', { query: 'cpu{service="checkout"}' })).toEqual([
      ['total', 50, 7],
      ['self', 0, 0],
    ]);
    // Inlined into what it is a caller of, and never innermost.
    expect(await lines('outer')).toEqual([
      ['total', 50, 0],
      ['self', 0, 0],
    ]);
    // The process is no function.
    for (const none of ['nothing', 'node'])
      expect(await lines(none)).toEqual([
        ['total', 0, 0],
        ['self', 0, 0],
      ]);
  });

  it('chooses among any number of stacks', async () => {
    const many = BigUint64Array.from({ length: 50_000 }, (_, i) => (i === 7 ? stacks.work : BigInt(i + 1)));
    const { sql, params } = functionStepsSql(
      { type: 'cpu', matchers: [] },
      { from: T0, until: T0 + 120 },
      60,
      many,
      BigUint64Array.of(),
    );
    expect(sql.length).toBeGreaterThan(2 * 262_144);
    const { rows } = await new StoreDb(store).ask(sql, params);
    expect(rows).toEqual([[String(T0), String(50 * MS), '0']]);
  });

  it('is no split by a label, and refuses more stacks than it can read', async () => {
    expect(await refused('series', { function: 'main', by: 'service' })).toMatchObject({
      status: 400,
      message: expect.stringContaining('one of the two'),
    });
    expect(await refused('series', { function: 'x'.repeat(8193) })).toMatchObject({
      status: 400,
      message: 'function has more than 8192 characters',
    });
    const request = { selector: { type: 'cpu', matchers: [] }, range: { from: T0, until: T0 + 120 }, step: 60 };
    const of = { ...request, function: 'main', unit: 'nanoseconds' };
    const ask = (most: number) => queryOneFunctionSeries(new StoreDb(store), new ProfileCache(), of, {}, most);
    await expect(ask(2)).rejects.toThrow('more than 2 distinct stacks');
    expect((await ask(3)).series[0]!.values).toEqual([61 * MS, 7 * MS]);
  });
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
    expect(graph.selected).toBe(68 * MS);
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
    await store.command(
      `INSERT INTO stacks (* EXCEPT(seen)) VALUES ${rows.map((r) => `(${r.id}, [${r.frames.join()}])`).join()}`,
    );
    await store.command(
      `INSERT INTO samples (* EXCEPT(workload)) VALUES (${at}, ${checkout.id}, 42, 9), ${rows.map((r) => `(${at}, ${checkout.id}, ${r.id}, 2)`).join()}`,
    );
    const graph = paths(await get('flamegraph', { from: String(at), until: String(at + 1) }));
    expect(graph['node']).toEqual([0, 6009 / MS]);
    expect(graph['node;[stack not stored]']).toEqual([9 / MS, 9 / MS]);
    expect(Object.keys(graph).filter((path) => path.startsWith('node;main;[frame '))).toHaveLength(3000);
  });

  it('asks again for frames without a name', async () => {
    const late = nativeFrameId('native', 'gnu:late', 0x10n);
    const stack = stackId([late]);
    await store.command(
      `INSERT INTO frames (* EXCEPT(seen)) VALUES (${late}, 'native', 'gnu:late', 16, '', '', 0, '/lib/late.so')`,
    );
    await store.command(`INSERT INTO stacks (* EXCEPT(seen)) VALUES (${stack}, [${late}])`);
    await store.command(`INSERT INTO samples (* EXCEPT(workload)) VALUES (${T0 + 5000}, ${checkout.id}, ${stack}, 3)`);
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
