import { describe, expect, it } from 'vitest';
import { causeOf, groupByCause } from './causes.ts';
import type { FleetNode } from './fleet.ts';

describe('causeOf', () => {
  it.each([
    ['EACCES on /sys/fs/cgroup/kubepods.slice', 'EACCES on /sys/fs/cgroup/kubepods.slice'],
    [
      'cannot read /kubepods/besteffort/pod0a1b2c3d-1111-2222-3333-444455556666/cgroup.procs',
      'cannot read /kubepods/besteffort/pod*/cgroup.procs',
    ],
    [
      'kubepods-pod0a1b2c3d_1111_2222_3333_444455556666.slice and cri-containerd-0123456789abcdef0123456789abcdef.scope',
      'kubepods-pod*.slice and cri-containerd-*.scope',
    ],
    [
      'sampler on rung 1 ended by signal SIGSEGV after 12.3 s, last log line: map 17 is full',
      'sampler on rung N ended by signal SIGSEGV after N s, last log line: map N is full',
    ],
    ['no BTF on 6.1.0-18-amd64; cgroup2 and v1 stay', 'no BTF on 6.1.0-18-amd64; cgroup2 and v1 stay'],
    ['3 pods of 41, pid 4711', 'N pods of N, pid N'],
    ['deadbeef is a word, defaced is too', 'deadbeef is a word, defaced is too'],
  ])('%s', (reason, cause) => expect(causeOf(reason)).toBe(cause));

  it('is quick about whatever a node says', () => {
    expect(causeOf('0'.repeat(100_000)).length).toBeLessThan(4001);
    expect(causeOf('0a-'.repeat(100_000)).length).toBeLessThan(4001);
  });
});

describe('groupByCause', () => {
  const node = (name: string, change: Partial<FleetNode> = {}) =>
    ({
      node: name,
      alive: true,
      fallback: false,
      modeReason: '',
      rung: 1,
      rungWanted: 1,
      restarts: 0,
      crash: '',
      configError: '',
      kubeletMismatches: '',
      governor: 'ok',
      ...change,
    }) as FleetNode;

  it('counts the nodes of every cause, the most frequent first', () => {
    const reason = (n: number) => ({ fallback: true, modeReason: `EACCES on /kubepods, ${n} pods unseen` });
    const groups = groupByCause([
      ...[node('a', reason(1)), node('b', { ...reason(2), alive: false }), node('c', reason(30)), node('well')],
      ...[node('d', { rung: 2, rungReason: 'no BTF' }), node('e', { rung: 3, rungReason: 'no BTF' })],
      node('f', { rung: 2, rungWanted: 2, rungReason: 'no BTF' }),
      ...[node('g', { configError: 'version 7 is not valid' }), node('h', { governor: 'exhausted' })],
      node('i', {
        kubeletMismatches: 'the kubelet declares cgroupsPerQOS: true; the kubelet declares cgroupRoot: /k8s-1',
      }),
      node('j', { kubeletMismatches: 'the kubelet declares cgroupsPerQOS: true' }),
    ]);
    expect(groups).toEqual([
      { kind: 'fallback', cause: 'EACCES on /kubepods, N pods unseen', nodes: ['a', 'b', 'c'] },
      { kind: 'kubelet', cause: 'the kubelet declares cgroupsPerQOS: true', nodes: ['i', 'j'] },
      { kind: 'silent', cause: 'no heartbeat', nodes: ['b'] },
      { kind: 'budget', cause: 'over budget with nothing left to lower', nodes: ['h'] },
      { kind: 'rung', cause: 'rung 2: no BTF', nodes: ['d'] },
      { kind: 'rung', cause: 'rung 3: no BTF', nodes: ['e'] },
      { kind: 'kubelet', cause: 'the kubelet declares cgroupRoot: /k8s-1', nodes: ['i'] },
      { kind: 'config', cause: 'version N is not valid', nodes: ['g'] },
    ]);
  });
});
