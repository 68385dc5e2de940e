import { groupByCause, type FleetNode } from '@perfleet/api-contract';
import { describe, expect, it } from 'vitest';
import { causeKey, filterFleet, NO_FILTER, type FleetFilter } from './filter.ts';

const node = (name: string, change: Partial<FleetNode> = {}): FleetNode => ({
  ...{ node: name, cluster: 'eu', alive: true, lastSeen: 0, mode: 'pods', fallback: false, modeReason: '' },
  ...{
    rung: 1,
    rungWanted: 1,
    rungReason: '',
    rateHz: 19,
    rateWanted: 19,
    configVersion: 0,
    configError: '',
    governor: 'ok',
    restarts: 0,
    crash: '',
    taken: 0,
    lost: 0,
    kernel: '6.1',
  },
  ...{ podRoots: '', kubeletMismatches: '' },
  ...{ cgroupVersion: 'v2', lostShare: null, unattributedShare: null, ...change },
});
const fleet = [
  node('a-1'),
  node('a-2', { fallback: true, mode: 'whole-system', modeReason: 'EACCES on pod 17' }),
  node('b-1', { alive: false, restarts: 3, crash: 'signal SIGSEGV' }),
  node('b-2', { rung: 3, rungReason: 'no BTF', cluster: 'us' }),
];
const names = (filter: Partial<FleetFilter>) => filterFleet(fleet, { ...NO_FILTER, ...filter }).map((n) => n.node);

describe('filterFleet', () => {
  it('is the same list when nothing is asked', () => expect(filterFleet(fleet, NO_FILTER)).toBe(fleet));

  it.each<[Partial<FleetFilter>, string[]]>([
    [{ text: 'A-' }, ['a-1', 'a-2']],
    [{ text: 'btf us' }, ['b-2']],
    [{ alive: 'silent' }, ['b-1']],
    [{ alive: 'alive', rung: '1' }, ['a-1', 'a-2']],
    [{ mode: 'fallback' }, ['a-2']],
    [{ mode: 'pods' }, ['a-1', 'b-1', 'b-2']],
    [{ mode: 'silent' }, ['b-1']],
    [{ text: 'nothing' }, []],
  ])('%o', (filter, expected) => expect(names(filter)).toEqual(expected));

  it('finds exactly the nodes that a cause counts', () => {
    const more = [
      ...[node('c-1', { configError: 'version 7 is not valid' }), node('c-2', { governor: 'exhausted' })],
      node('c-3', {
        kubeletMismatches: 'the kubelet declares cgroupRoot: /a; the kubelet declares cgroupsPerQOS: true',
      }),
      node('c-4', { governor: 'lowered', kubeletMismatches: 'the kubelet declares cgroupsPerQOS: true' }),
    ];
    const all = [...fleet, ...more];
    const groups = groupByCause(all);
    expect(groups).toHaveLength(9);
    for (const { kind, cause, nodes } of groups) {
      const filter = { ...NO_FILTER, cause: causeKey(kind, cause) };
      expect(filterFleet(all, filter).map((n) => n.node)).toEqual(nodes);
    }
  });
});
