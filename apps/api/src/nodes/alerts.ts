import type { Alert } from '@perfleet/api-contract';
import type { NodeEntry } from '@perfleet/node-state';

/** Unix milliseconds at which a node's mode and rung last changed, as far as its events tell. */
export interface LastChanges {
  readonly mode?: number;
  readonly rung?: number;
}

/** What an operator should know of: every node that is silent, fell back, or samples below the first rung. */
export function alertsOf(entries: readonly NodeEntry[], changes: ReadonlyMap<string, LastChanges>): Alert[] {
  return entries.flatMap((entry) => alertsOfNode(entry, changes.get(entry.state.node) ?? {}));
}

function alertsOfNode({ state, alive, lastSeen }: NodeEntry, changes: LastChanges): Alert[] {
  const of = { node: state.node, cluster: state.cluster };
  const alerts: Alert[] = [];
  if (!alive) {
    alerts.push({
      ...of,
      kind: 'silent',
      since: lastSeen,
      reason: `no heartbeat; last word: mode ${state.mode}, rung ${state.rung}`,
    });
  }
  if (state.fallback) {
    alerts.push({
      ...of,
      kind: 'fallback',
      since: changes.mode ?? state.startedAt,
      reason: `mode ${state.mode}: ${state.modeReason}`,
    });
  }
  if (state.rung > 1) {
    alerts.push({
      ...of,
      kind: 'rung',
      since: changes.rung ?? state.startedAt,
      reason: `rung ${state.rung}: ${state.rungReason}`,
    });
  }
  return alerts;
}
