import type { FleetNode } from '@perfleet/api-contract';
import { causesOf } from '@perfleet/api-contract';
import { classOf } from './node-colors.ts';

/** Which nodes are shown; "" = all. */
export interface FleetFilter {
  /** Words that all must occur in the name, cluster, kernel or a reason. */
  readonly text: string;
  readonly mode: string;
  readonly rung: string;
  readonly alive: string;
  readonly cause: string;
}

export const NO_FILTER: FleetFilter = { text: '', mode: '', rung: '', alive: '', cause: '' };

export function filterFleet(nodes: readonly FleetNode[], filter: FleetFilter): readonly FleetNode[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0 && !filter.mode && !filter.rung && !filter.alive && !filter.cause) return nodes;
  return nodes.filter((node) => {
    if (filter.alive !== '' && (filter.alive === 'alive') !== node.alive) return false;
    if (filter.rung !== '' && String(node.rung) !== filter.rung) return false;
    if (filter.mode !== '' && !hasMode(node, filter.mode)) return false;
    if (filter.cause !== '' && !causesOf(node).some(({ kind, cause }) => causeKey(kind, cause) === filter.cause))
      return false;
    if (words.length === 0) return true;
    const text =
      `${node.node} ${node.cluster} ${node.kernel} ${node.modeReason} ${node.rungReason} ${node.kubeletMismatches}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** `fallback` and the classes of the legend are modes to whoever filters. */
function hasMode(node: FleetNode, mode: string): boolean {
  if (mode === 'fallback') return node.fallback;
  return node.mode === mode || classOf(node) === mode;
}

export function causeKey(kind: string, cause: string): string {
  return `${kind} ${cause}`;
}
