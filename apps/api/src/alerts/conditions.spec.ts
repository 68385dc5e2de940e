import { describe, expect, it } from 'vitest';
import { conditionsOf, unknownKinds } from './conditions.ts';
import { entryOf, factsOf } from './fixtures.ts';
import { DEFAULT_ALERT_SETTINGS as settings } from './settings.ts';

const kinds = (facts: Parameters<typeof conditionsOf>[0]) => conditionsOf(facts, settings).map((c) => c.kind);

describe('conditionsOf', () => {
  it('is silent about a healthy node, a plain machine in whole-system mode, and a rung that was asked for', () => {
    expect(kinds(factsOf(entryOf('a'), entryOf('b', { mode: 'whole-system' })))).toEqual([]);
    expect(kinds(factsOf(entryOf('a', { rung: 2, rungWanted: 2 })))).toEqual([]);
    expect(kinds(factsOf(entryOf('a', { rung: 3, rungWanted: 2 })))).toEqual(['rung']);
  });

  it('tells all that is wrong, each since its own change', () => {
    const bad = entryOf(
      'n',
      { fallback: true, modeReason: 'no kubepods', rung: 4, rungReason: 'EPERM' },
      { alive: false, liveEpochs: [] },
    );
    const found = conditionsOf({ ...factsOf(bad), changes: new Map([['n', { mode: 42 }]]) }, settings);
    expect(found.map((c) => [c.kind, c.since, c.severity, c.holdMs])).toEqual([
      ['silent', 2000, 'critical', 120_000],
      ['fallback', 42, 'warning', 300_000],
      ['rung', 1000, 'critical', 300_000],
    ]);
    expect(found[2]!.reason).toBe('rung 4: EPERM');
  });

  it('tells two collectors of one node', () => {
    const [found] = conditionsOf(factsOf(entryOf('n', {}, { liveEpochs: ['bb', 'aa'] })), settings);
    expect(found).toMatchObject({ kind: 'two-epochs', severity: 'critical' });
    expect(found!.reason).toContain('aa, bb');
  });

  it('takes crashes for a loop from the threshold on', () => {
    const crashes = (count: number) => new Map([['n', { count, first: 5, lastMessage: 'SIGSEGV' }]]);
    expect(kinds({ ...factsOf(entryOf('n')), crashes: crashes(2) })).toEqual([]);
    const [found] = conditionsOf({ ...factsOf(entryOf('n')), crashes: crashes(3) }, settings);
    expect(found).toMatchObject({ kind: 'crash-loop', since: 5, holdMs: 0 });
    expect(found!.reason).toContain('SIGSEGV');
  });

  it('tells what the kubelet declares and the layout contradicts, whatever the reason says', () => {
    const kubeletMismatches = ['the kubelet declares cgroupDriver: systemd, and its directories are no slices'];
    expect(kinds(factsOf(entryOf('n', { modeReason: kubeletMismatches[0]! })))).toEqual([]);
    const [found] = conditionsOf(factsOf(entryOf('n', { kubeletMismatches })), settings);
    expect(found).toMatchObject({ kind: 'kubelet-mismatch' });
    expect(found!.reason).toMatch(/^the kubelet declares cgroupDriver: systemd/);
  });

  it('judges shares only of enough samples, and says why samples were lost', () => {
    const shares = (lost: number, nothing: number, host: number) => ({
      ...factsOf(entryOf('n', { lost: { throttled: 2, 'map-full': 9, filtered: 999 } })),
      shares: new Map([['n', { pod: 0, container: 0, host, nothing, lost }]]),
    });
    expect(kinds(shares(20, 20, 50))).toEqual([]);
    expect(kinds(shares(5, 0, 95))).toEqual([]);
    expect(conditionsOf(shares(10, 0, 90), settings)[0]!.reason).toBe(
      '10 % of the samples of the last 10 min were lost: map-full, throttled',
    );
    expect(kinds(shares(0, 21, 79))).toEqual(['unattributed']);
    expect(kinds(shares(0, 20, 80))).toEqual([]);
  });

  it('knows what it does not know', () => {
    expect(unknownKinds(factsOf())).toEqual([]);
    expect(unknownKinds({ ...factsOf(), crashes: null, shares: null })).toEqual(['crash-loop', 'loss', 'unattributed']);
  });

  it('has an id per kind, cluster and node that no other triple can have', () => {
    const ids = conditionsOf(
      factsOf(entryOf('n', { rung: 2, fallback: true }), entryOf('m', { rung: 2 })),
      settings,
    ).map((c) => c.id);
    expect(new Set(ids).size).toBe(3);
  });
});
