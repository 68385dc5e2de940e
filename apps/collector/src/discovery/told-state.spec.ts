import { nodeStateSchema } from '@perfleet/messages';
import { expect, it } from 'vitest';
import { toldState } from './told-state.ts';

const state = { mode: 'pods', fallback: false, reason: '', cgroupVersion: 'v2' } as const;
const told = nodeStateSchema.pick({ podRoots: true, kubeletMismatches: true, cgroupVersion: true });

it('tells where the pods are and what the kubelet says otherwise', () => {
  const found = { podRoots: ['/kubepods'], kubeletMismatches: ['the kubelet declares cgroupRoot: /a'] };
  expect(toldState({ ...state, ...found })).toEqual({ ...found, cgroupVersion: 'v2' });
});

it('stays within the bounds of the node state, whatever the node looks like', () => {
  const podRoots = Array.from({ length: 500 }, (_, n) => `/${'x'.repeat(n * 10)}`);
  const kubeletMismatches = Array.from({ length: 50 }, () => 'y'.repeat(5000));
  const found = toldState({ ...state, podRoots, kubeletMismatches });
  expect(told.parse(found)).toEqual(found);
  expect(found.podRoots).toEqual(podRoots.slice(0, 32));
});
