import type { FleetNode } from '@perfleet/api-contract';
import { expect, it } from 'vitest';
import { nodesText } from './nodes.ts';

const node = (change: Partial<FleetNode>): FleetNode => ({
  ...{ node: 'a', cluster: '', alive: true, lastSeen: 0, mode: 'pods', fallback: false, modeReason: 'fine' },
  ...{ podRoots: '/kubepods', kubeletMismatches: '' },
  ...{ rung: 1, rungWanted: 1, rungReason: '', rateHz: 19, restarts: 0, crash: '', taken: 200, lost: 1, kernel: '' },
  ...{ rateWanted: 19, configVersion: 0, configError: '', governor: 'ok' },
  ...{ cgroupVersion: 'v2', lostShare: null, unattributedShare: null, ...change },
});

it('shows mode, rung, age, loss and the reason of what is wrong', () => {
  const nodes = [
    node({}),
    node({ node: 'b', fallback: true, mode: 'whole-system', modeReason: 'EACCES', podRoots: '', lastSeen: -600_000 }),
    ...[node({ node: 'd', rateHz: 10, configVersion: 7, governor: 'lowered' })],
    ...[node({ node: 'e', configVersion: 6, configError: 'version 7 is not valid' })],
    ...[node({ node: 'c', alive: false, taken: 0, rung: 2, rungReason: 'no\u001b[31m BTF', lastSeen: -172_800_000 })],
    node({ node: 'f', kubeletMismatches: 'the kubelet declares cgroupDriver: systemd' }),
  ];
  expect(
    nodesText(nodes, 7_000)
      .split('\n')
      .map((line) => line.replace(/ {2,}/g, ' | ')),
  ).toEqual([
    'node | heartbeat | mode | pods below | rung | rate | config | restarts | lost | why',
    expect.stringMatching(/^-+/),
    'a | 7 s | pods | /kubepods | 1 eBPF | 19 Hz | - | 0 | 0.50 %',
    'b | 10 min | whole-system (fallback) | 1 eBPF | 19 Hz | - | 0 | 0.50 % | EACCES',
    'd | 7 s | pods | /kubepods | 1 eBPF | 10 of 19 Hz | 7 | 0 | 0.50 % | lowered by the governor',
    'e | 7 s | pods | /kubepods | 1 eBPF | 19 Hz | 6 ! | 0 | 0.50 % | version 7 is not valid',
    'c | silent 2 d | pods | /kubepods | 2 perf, whole system | 19 Hz | - | 0 | - | no\ufffd[31m BTF',
    'f | 7 s | pods | /kubepods | 1 eBPF | 19 Hz | - | 0 | 0.50 % | the kubelet declares cgroupDriver: systemd',
    '',
    '',
  ]);
  expect(nodesText([], 0)).toBe('no node\n');
});
