import type { NodeState } from '@perfleet/messages';
import { expect, it } from 'vitest';
import { alertsOf } from './alerts.ts';

const state = {
  node: 'n',
  cluster: 'c',
  startedAt: 10,
  mode: 'pods',
  fallback: false,
  modeReason: '',
  rung: 1,
  rungReason: '',
} as unknown as NodeState;

it('is silent about a healthy node, also a plain machine in whole-system mode', () => {
  const plain: NodeState = { ...state, mode: 'whole-system' };
  expect(alertsOf([{ state: plain, alive: true, lastSeen: 5 }], new Map())).toEqual([]);
});

it('tells all that is wrong, each since its own change', () => {
  const bad: NodeState = { ...state, fallback: true, modeReason: 'no kubepods', rung: 3, rungReason: 'EPERM' };
  const alerts = alertsOf([{ state: bad, alive: false, lastSeen: 99 }], new Map([['n', { mode: 42 }]]));
  expect(alerts.map((a) => [a.kind, a.since])).toEqual([
    ['silent', 99],
    ['fallback', 42],
    ['rung', 10],
  ]);
  expect(alerts[2]?.reason).toBe('rung 3: EPERM');
});
