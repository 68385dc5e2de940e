import { nodeStateSchema, type NodeState } from '@perfleet/messages';
import type { NodeEntry } from '@perfleet/node-state';
import type { Facts } from './conditions.ts';

/** A healthy node of the tests, changed as asked. */
export function nodeState(node: string, change: Partial<NodeState> = {}): NodeState {
  return nodeStateSchema.parse({
    ...{ node, cluster: 'c', epoch: '00000000000000aa', startedAt: 1000, updatedAt: 2000 },
    ...{ mode: 'pods', fallback: false, modeReason: 'kubepods found', rung: 1, rungReason: '', rateHz: 19 },
    ...change,
  });
}

export function entryOf(node: string, change: Partial<NodeState> = {}, more: Partial<NodeEntry> = {}): NodeEntry {
  return { state: nodeState(node, change), alive: true, lastSeen: 2000, liveEpochs: ['00000000000000aa'], ...more };
}

export function factsOf(...entries: NodeEntry[]): Facts {
  return { entries, changes: new Map(), crashes: new Map(), shares: new Map() };
}
