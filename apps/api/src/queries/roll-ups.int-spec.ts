import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, RowBinaryBlock, TABLES, type Store } from '@perfleet/clickhouse';
import { namedFrameId, seriesId, stackId } from '@perfleet/ids';
import type { Selector } from '@perfleet/selector';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queryLabelValues } from './labels.ts';
import { ProfileQueries } from './profile-queries.ts';
import { StoreDb } from './store-db.ts';

const DAY = 86_400;
/** Start of four whole days, the last of which is yesterday. */
const T0 = Math.floor(Date.now() / 1000 / DAY) * DAY - 4 * DAY;
const UNTIL = T0 + 4 * DAY;

const SERIES = ['shop', 'cart'].flatMap((service) =>
  ['v1', 'v2'].flatMap((version) =>
    ['n1', 'n2'].map((node) => {
      const shared = [
        ['service', service],
        ['process', service],
        ['version', version],
      ] as const;
      return {
        service,
        version,
        node,
        pod: `${service}-${version}-${node}`,
        workload: seriesId(shared),
        id: seriesId([...shared, ['node', node]]),
      };
    }),
  ),
);
type Series = (typeof SERIES)[number];

const FUNCTIONS = ['main', 'parse', 'send'];
const frameOf = (name: string) => namedFrameId('native', name, 'a.c', 1);
const STACKS = ['parse', 'send'].map((leaf) => ({ leaf, id: stackId([frameOf('main'), frameOf(leaf)]) }));

interface Sample extends Series {
  readonly time: number;
  readonly stack: (typeof STACKS)[number];
  readonly value: number;
}
/** Every 97 s, so that buckets begin and end between samples and on them. */
const SAMPLES: Sample[] = [];
for (let i = 0; T0 + i * 97 < UNTIL; i++)
  SERIES.forEach((series, s) =>
    SAMPLES.push({
      ...series,
      time: T0 + i * 97,
      stack: STACKS[(i + s) % 2]!,
      value: 10 * (1 + ((i * 31 + s * 7) % 50)),
    }),
  );

const path = mkdtempSync(join(tmpdir(), 'perfleet-roll-ups-'));
let store: Store;
let queries: ProfileQueries;
beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path });
  queries = new ProfileQueries(new StoreDb(store));
  await store.command(
    `INSERT INTO series (series, workload, node, pod, pod_uid, service, process, type, unit, period, labels) VALUES ${SERIES.map(
      (s) =>
        `(${s.id}, ${s.workload}, '${s.node}', '${s.pod}', '${s.pod}', '${s.service}', '${s.service}', 'cpu', 'nanoseconds', 10, map('version', '${s.version}'))`,
    ).join()}`,
  );
  await store.command(
    `INSERT INTO stacks (stack, frames) VALUES ${STACKS.map((s) => `(${s.id}, [${frameOf('main')}, ${frameOf(s.leaf)}])`).join()}`,
  );
  await store.command(
    `INSERT INTO frames (frame, kind, function, file, line) VALUES ${FUNCTIONS.map((f) => `(${frameOf(f)}, 'native', '${f}', 'a.c', 1)`).join()}`,
  );
  // As an aggregator does: blocks that lie across the buckets of both roll-ups.
  for (let from = 0; from < SAMPLES.length; from += 4001) {
    const block = new RowBinaryBlock();
    for (const s of SAMPLES.slice(from, from + 4001))
      block.dateTime(s.time).u64(s.workload).u64(s.id).u64(s.stack.id).u64(BigInt(s.value)).row();
    await store.insert('samples', TABLES.samples, block, `block-${from}`);
  }
});
afterAll(async () => {
  await store?.close();
  rmSync(path, { recursive: true, force: true });
});

const selectorOf = (matchers: Record<string, string>): Selector => ({
  type: 'cpu',
  matchers: Object.entries(matchers).map(([label, value]) => ({ label, op: '=', value })),
});

const RANGES = [
  ['whole days', T0, UNTIL],
  ['from second to second', T0 + 12_345, UNTIL - 54_321],
  ['a second more and less than whole days', T0 - 1, UNTIL - DAY + 1],
  ['whole ten minutes', T0 + 3 * 600, T0 + 2 * DAY + 7 * 600],
  ['within ten minutes', T0 + 601, T0 + 1199],
  ['across one boundary', T0 + 1100, T0 + 1300],
  ['one bucket', T0 + 600, T0 + 1200],
  ['one day', T0 + DAY, T0 + 2 * DAY],
] as const;

const sum = (samples: readonly Sample[]) => samples.reduce((all, { value }) => all + value, 0);

/** Sums by what `of` says, as [name, sum] pairs sorted by name. */
function sums(samples: readonly Sample[], of: (sample: Sample) => string): Array<[string, number]> {
  const found = new Map<string, number>();
  for (const sample of samples) found.set(of(sample), (found.get(of(sample)) ?? 0) + sample.value);
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Every form of query over one selection, against the list of samples. */
async function check(matchers: Record<string, string>, from: number, until: number): Promise<void> {
  const selector = selectorOf(matchers);
  const range = { from, until };
  const of = { selector, range };
  const mine = SAMPLES.filter(
    (s) => s.time >= from && s.time < until && Object.entries(matchers).every(([k, v]) => s[k as 'node'] === v),
  );
  const total = sum(mine);
  const leaves = sums(mine, ({ stack }) => stack.leaf);

  const { total: inGraph, graph } = await queries.flameGraph(of, 100, {});
  expect([inGraph, graph.total[0]]).toEqual([total, total]);
  const { functions, total: inTop } = await queries.top(of, 10, {});
  expect(inTop).toBe(total);
  expect(
    functions
      .filter((f) => f.self > 0)
      .map((f) => [f.function, f.self])
      .sort(),
  ).toEqual(leaves);

  for (const step of [600, 3600, DAY, 1234].filter((each) => (until - from) / each < 2000)) {
    const { series, times } = await queries.timeSeries({ ...of, step, by: 'service', limit: 10 }, {});
    const cells = series.flatMap(({ labels, values }) =>
      values.flatMap((value, i) => (value > 0 ? [[`${labels['service']} ${times[i]! / 1000}`, value] as const] : [])),
    );
    expect([...cells].sort(([a], [b]) => (a < b ? -1 : 1))).toEqual(
      sums(mine, ({ service, time }) => `${service} ${Math.floor(time / step) * step}`),
    );
  }
  for (const by of [undefined, 'service', 'node']) {
    const step = until - from > DAY ? DAY : 600;
    const heat = await queries.heatmap({ ...of, step, buckets: 10, by }, {});
    expect(heat.total).toBe(total);
    const things = new Set(mine.map((s) => `${by ? s[by as 'node'] : s.id} ${Math.floor(s.time / step)}`));
    expect(heat.cells.count.reduce((a, b) => a + b, 0)).toBe(things.size);
  }
  const values = async (label: string) => (await queryLabelValues(queries.db, label, selector, range, 10, {})).values;
  for (const label of ['version', 'node'] as const)
    expect((await values(label)).map(({ value, total: t }) => [value, t]).sort()).toEqual(sums(mine, (s) => s[label]));

  const half = { selector, range: { from: from - 7 * 97, until: until - 7 * 97 } };
  const before = SAMPLES.filter(
    (s) =>
      s.time >= half.range.from &&
      s.time < half.range.until &&
      Object.entries(matchers).every(([k, v]) => s[k as 'node'] === v),
  );
  const diff = await queries.diff(half, of, 'share', 10, {});
  expect([diff.baseTotal, diff.total]).toEqual([sum(before), total]);
  const compared = await queries.compare({ base: half, with: of, per: 'time', limit: 10 }, {});
  expect([compared.base.total, compared.with.total]).toEqual([sum(before), total]);
  expect([compared.base.samples, compared.with.samples]).toEqual([sum(before) / 10, total / 10]);
  expect(compared.with.pods).toBe(new Set(mine.map(({ pod }) => pod)).size);
}

describe('queries over roll-ups and raw rows', () => {
  it.each(RANGES)('%s: every sum is that of the samples', async (_, from, until) => {
    await check({}, from, until);
    await check({ service: 'shop', version: 'v2' }, from, until);
  });

  it('takes raw rows for a condition that roll-ups do not have', () =>
    check({ node: 'n2' }, T0 + 12_345, UNTIL - 54_321));

  it('reads a small part of the rows, and no raw row of a day that is rolled up', async () => {
    const all = { selector: selectorOf({}), range: { from: T0 + 12_345, until: UNTIL - 54_321 } };
    const before = await queries.flameGraph(all, 100, {});
    await store.command(
      `ALTER TABLE samples DROP PARTITION ID '${new Date((T0 + DAY) * 1000).toISOString().slice(0, 10).replaceAll('-', '')}'`,
    );
    expect(await queries.flameGraph(all, 100, {})).toMatchObject({ total: before.total });
    const one = { ...all, selector: selectorOf({ node: 'n1' }) };
    const inner = sum(SAMPLES.filter((s) => s.node === 'n1' && s.time >= T0 + DAY && s.time < T0 + 2 * DAY));
    const rest =
      sum(SAMPLES.filter((s) => s.node === 'n1' && s.time >= all.range.from && s.time < all.range.until)) - inner;
    expect((await queries.flameGraph(one, 100, {})).total).toBe(rest);
  });

  it('leaves the views to raw rows', async () => {
    const [row] = await store.query(
      `SELECT sum(value) AS v, uniqExact(node) AS nodes FROM profiles WHERE time >= ${T0 + 2 * DAY} AND time < ${T0 + 2 * DAY + 5000}`,
    );
    const mine = SAMPLES.filter((s) => s.time >= T0 + 2 * DAY && s.time < T0 + 2 * DAY + 5000);
    expect(row).toEqual({ v: String(sum(mine)), nodes: '2' });
  });
});
