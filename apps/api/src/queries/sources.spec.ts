import { ROLL_UPS } from '@perfleet/clickhouse';
import type { Selector } from '@perfleet/selector';
import { describe, expect, it } from 'vitest';
import { perWorkload, pieces, sourceOf } from './sources.ts';

const DAY = 86_400;
const T0 = 20_000 * DAY;

describe('pieces of a range', () => {
  it('take the coarsest roll-up inside and finer ones at the edges', () => {
    expect(pieces({ from: T0 - 1, until: T0 + 2 * DAY + 1201 }, ROLL_UPS)).toEqual([
      { table: 'samples', from: T0 - 1, until: T0 },
      { table: 'samples_1d', from: T0, until: T0 + 2 * DAY },
      { table: 'samples_10m', from: T0 + 2 * DAY, until: T0 + 2 * DAY + 1200 },
      { table: 'samples', from: T0 + 2 * DAY + 1200, until: T0 + 2 * DAY + 1201 },
    ]);
    expect(pieces({ from: T0 + 1, until: T0 + 599 }, ROLL_UPS).map(({ table }) => table)).toEqual(['samples']);
    expect(pieces({ from: T0, until: T0 }, ROLL_UPS)).toEqual([]);
    expect(pieces({ from: T0, until: T0 + DAY }, [])).toEqual([{ table: 'samples', from: T0, until: T0 + DAY }]);
  });

  it('cover it without a gap or an overlap, whole buckets only', () => {
    const seconds = Object.fromEntries(ROLL_UPS.map((each) => [each.table, each.seconds]));
    for (let i = 0; i < 2000; i++) {
      const from = T0 + ((i * 7919) % (3 * DAY));
      const until = from + 1 + ((i * i * 104_729) % (4 * DAY));
      const all = pieces({ from, until }, ROLL_UPS);
      expect([all[0]!.from, all.at(-1)!.until]).toEqual([from, until]);
      all.slice(1).forEach((piece, n) => expect(piece.from).toBe(all[n]!.until));
      for (const piece of all) {
        expect(piece.until).toBeGreaterThan(piece.from);
        expect((piece.from % (seconds[piece.table] ?? 1)) + (piece.until % (seconds[piece.table] ?? 1))).toBe(0);
      }
    }
  });
});

describe('source', () => {
  const where = (label: string): Selector => ({ type: 'cpu', matchers: [{ label, op: '=', value: 'x' }] });
  const range = { from: T0 - 5, until: T0 + 3 * DAY };
  const tables = (selector: Selector, need = {}) =>
    [...sourceOf(selector, range, need).samples.matchAll(/FROM (samples\w*)/g)].map(([, table]) => table);

  it.each(['node', 'pod', 'pod_uid', 'container_id', 'k8s.pod.name', 'container.id'])(
    'a condition on %s needs raw rows',
    (label) => {
      expect(perWorkload(where(label))).toBe(false);
      expect(tables(where(label))).toEqual(['samples']);
      expect(tables(where('service'), { labels: [label] })).toEqual(['samples']);
    },
  );

  it.each(['service', 'namespace', 'service_name', 'version', 'process', 'cluster'])('one on %s does not', (label) => {
    expect(tables(where(label), { labels: [label] })).toEqual(['samples', 'samples_1d']);
  });

  it.each(['service', 'pod'])('with a span is those that have one, by %s, whatever a roll-up has', (label) => {
    const span = { label: 'span_id', op: '=', value: '00f067aa0ba902b7' } as const;
    const { samples, key, params } = sourceOf({ ...where(label), matchers: [...where(label).matchers, span] }, range);
    expect([...samples.matchAll(/FROM (\w*samples\w*)/g)].map(([, table]) => table)).toEqual(['linked_samples']);
    expect(key).toBe(label === 'pod' ? 'series' : 'workload');
    expect(params).toMatchObject({ link1: ['00f067aa0ba902b7'] });
  });

  it.each([T0, T0 + 1])('asks raw rows for a range of nothing', (from) => {
    const { samples } = sourceOf(where('service'), { from, until: T0 });
    expect([...samples.matchAll(/FROM (samples\w*)/g)].map(([, table]) => table)).toEqual(['samples']);
  });

  it('takes no bucket that a step would cut', () => {
    expect(tables(where('service'), { step: DAY })).toEqual(['samples', 'samples_1d']);
    expect(tables(where('service'), { step: 3600 })).toEqual(['samples', 'samples_10m']);
    expect(tables(where('service'), { step: 900 })).toEqual(['samples']);
  });
});
