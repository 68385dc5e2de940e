import type { AlertRecord, Silence } from '@perfleet/node-state';
import { describe, expect, it } from 'vitest';
import type { Condition } from './conditions.ts';
import { acknowledgementOf, matches, occurrenceOf, silenceOf, step } from './lifecycle.ts';

const MIN = 60_000;
const condition = (more: Partial<Condition> = {}): Condition => ({
  ...{ id: 'x', kind: 'fallback', node: 'n', cluster: 'c', severity: 'warning', reason: 'r', holdMs: 5 * MIN, ...more },
});
/** Applies looks one after another, as the leader does. */
function run(looks: Array<[now: number, conditions: Condition[], unknown?: Parameters<typeof step>[2]]>) {
  let records: readonly AlertRecord[] = [];
  const history: string[] = [];
  for (const [now, conditions, unknown = []] of looks) {
    const result = step(records, conditions, unknown, now);
    records = result.records.filter((r) => !result.remove.includes(r.id));
    history.push(...result.history.map((h) => `${h.time / MIN} ${h.what}`));
  }
  return { records, history };
}

describe('step', () => {
  it('waits until the condition has held long enough, fires once, and resolves', () => {
    const { records, history } = run([
      [0, [condition()]],
      [4 * MIN, [condition()]],
      [5 * MIN, [condition()]],
      [6 * MIN, [condition({ reason: 'other words' })]],
      [7 * MIN, []],
    ]);
    expect(history).toEqual(['5 firing', '7 resolved']);
    expect(records).toMatchObject([
      { status: 'resolved', since: 0, firedAt: 5 * MIN, resolvedAt: 7 * MIN, reason: 'other words' },
    ]);
  });

  it('forgets one that passes before it fires, and begins anew', () => {
    const { records, history } = run([
      [0, [condition()]],
      [4 * MIN, []],
      [5 * MIN, [condition()]],
      [9 * MIN, [condition()]],
    ]);
    expect(history).toEqual([]);
    expect(records).toMatchObject([{ status: 'pending', since: 5 * MIN }]);
  });

  it('fires at once what the facts say has held for long', () => {
    expect(run([[60 * MIN, [condition({ since: MIN })]]]).records).toMatchObject([{ status: 'firing', since: MIN }]);
  });

  it('keeps firing when a later look tells of a later beginning', () => {
    const { records } = run([
      [60 * MIN, [condition({ since: MIN })]],
      [61 * MIN, [condition({ since: 61 * MIN })]],
    ]);
    expect(records).toMatchObject([{ status: 'firing', firedAt: 60 * MIN }]);
  });

  it('leaves alone what cannot be judged', () => {
    const { records, history } = run([
      [0, [condition({ kind: 'loss', holdMs: 0 })]],
      [MIN, [], ['loss']],
    ]);
    expect(records).toMatchObject([{ status: 'firing' }]);
    expect(history).toEqual(['0 firing']);
  });

  it('shows a resolved alert for an hour, and longer while a receiver has not heard', () => {
    const fired = step([], [condition({ holdMs: 0 })], [], 0).records;
    const told = fired.map((r) => ({ ...r, told: { w: { status: 'firing' as const, at: 0 } } }));
    const resolved = step(told, [], [], MIN).records;
    expect(step(resolved, [], [], 62 * MIN).remove).toEqual([]);
    const heard = resolved.map((r) => ({ ...r, told: { w: { status: 'resolved' as const, at: MIN } } }));
    expect(step(heard, [], [], 60 * MIN).remove).toEqual([]);
    expect(step(heard, [], [], 62 * MIN).remove).toEqual(['x']);
    expect(step(resolved, [], [], 25 * 60 * MIN).remove).toEqual(['x']);
  });

  it('writes only what changed', () => {
    const { records } = step([], [condition()], [], 0);
    expect(step(records, [condition()], [], MIN).put).toEqual([]);
  });
});

describe('acknowledgements', () => {
  const ack = (occurrence: number) => new Map([['x', { alert: 'x', occurrence, at: 1, by: 'me', comment: '' }]]);
  it('are of one occurrence', () => {
    const [first] = step([], [condition({ holdMs: 0 })], [], 7).records;
    expect(acknowledgementOf(first!, ack(occurrenceOf(first!)))).not.toBeNull();
    const resolved = step([first!], [], [], 8).records;
    expect(acknowledgementOf(resolved[0]!, ack(7))).toBeNull();
    const [again] = step(resolved, [condition({ holdMs: 0 })], [], 9).records;
    expect(acknowledgementOf(again!, ack(7))).toBeNull();
  });

  it('given while pending, hold when it fires', () => {
    const [pending] = step([], [condition()], [], 7).records;
    const [firing] = step([pending!], [condition()], [], 60 * MIN).records;
    expect(firing!.status).toBe('firing');
    expect(acknowledgementOf(firing!, ack(occurrenceOf(pending!)))).not.toBeNull();
  });
});

describe('silences', () => {
  const silence = (more: Partial<Silence>): Silence => ({
    ...{ id: 's', kind: '', node: '', cluster: '', createdAt: 0, until: 10, by: '', comment: '', ...more },
  });
  const of = { kind: 'rung', node: 'pool-7', cluster: 'c' };
  it('match by kind, node and cluster, the one that ends last first', () => {
    expect(
      silenceOf(of, [silence({ kind: 'silent' }), silence({ cluster: 'd' }), silence({ node: 'pool-8' })]),
    ).toBeNull();
    expect(
      silenceOf(of, [silence({ id: 'a', until: 5 }), silence({ id: 'b' }), silence({ id: 'c', until: 7 })])?.id,
    ).toBe('b');
  });

  it.each([
    ['pool-*', 'pool-7', true],
    ['*', '', true],
    ['a*b*c', 'aXbXbXc', true],
    ['a*a', 'a', false],
    ['*-7', 'pool-77', false],
    ['pool-7', 'pool-77', false],
    ['.*', 'pool', false],
  ])('%s against %s', (pattern, text, expected) => expect(matches(pattern, text)).toBe(expected));
});
