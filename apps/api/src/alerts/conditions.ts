import { createHash } from 'node:crypto';
import type { AlertKind } from '@perfleet/api-contract';
import { unwantedLosses } from '@perfleet/messages';
import type { NodeEntry } from '@perfleet/node-state';
import type { AlertSettings } from './settings.ts';

/** Unix milliseconds at which a node's mode and rung last changed, as far as its events tell. */
export interface LastChanges {
  readonly mode?: number;
  readonly rung?: number;
}

export interface Crashes {
  readonly count: number;
  /** Of the first one in the window: Unix milliseconds. */
  readonly first: number;
  readonly lastMessage: string;
}

/** Samples of a node in the last minutes, by what they are attributed to. */
export interface Shares {
  readonly pod: number;
  readonly container: number;
  readonly host: number;
  readonly nothing: number;
  readonly lost: number;
}

/** Everything that conditions are made of; null = not known right now. */
export interface Facts {
  readonly entries: readonly NodeEntry[];
  readonly changes: ReadonlyMap<string, LastChanges> | null;
  readonly crashes: ReadonlyMap<string, Crashes> | null;
  readonly shares: ReadonlyMap<string, Shares> | null;
}

/** Something that is true of a node and that an operator should know. */
export interface Condition {
  readonly id: string;
  readonly kind: AlertKind;
  readonly node: string;
  readonly cluster: string;
  readonly severity: 'warning' | 'critical';
  readonly reason: string;
  /** Since when, where the facts tell: Unix milliseconds. */
  readonly since?: number;
  /** How long it must hold before it fires, milliseconds. */
  readonly holdMs: number;
}

/** Below so many samples a share says nothing. */
const MIN_SAMPLES = 100;

export function conditionsOf(facts: Facts, settings: AlertSettings): Condition[] {
  return facts.entries.flatMap((entry) => conditionsOfNode(entry, facts, settings));
}

/** Kinds whose conditions cannot be told from these facts. */
export function unknownKinds({ crashes, shares }: Facts): AlertKind[] {
  return [
    ...(crashes === null ? (['crash-loop'] as const) : []),
    ...(shares === null ? (['loss', 'unattributed'] as const) : []),
  ];
}

export function alertId(kind: AlertKind, cluster: string, node: string): string {
  return createHash('sha256')
    .update(JSON.stringify([kind, cluster, node]))
    .digest('hex')
    .slice(0, 16);
}

function conditionsOfNode(entry: NodeEntry, facts: Facts, settings: AlertSettings): Condition[] {
  const { state, alive, lastSeen, liveEpochs } = entry;
  const { node, cluster } = state;
  const changes = facts.changes?.get(node) ?? {};
  const found: Condition[] = [];
  const add = (kind: AlertKind, minutes: number, more: Pick<Condition, 'severity' | 'reason' | 'since'>) =>
    found.push({ id: alertId(kind, cluster, node), kind, node, cluster, holdMs: minutes * 60_000, ...more });

  if (!alive) {
    const reason = `no heartbeat; last word: mode ${state.mode}, rung ${state.rung}`;
    add('silent', settings.alertSilentMinutes, { severity: 'critical', reason, since: lastSeen });
  }
  if (liveEpochs.length > 1) {
    const reason = `${liveEpochs.length} collectors say that they are this node (epochs ${[...liveEpochs].sort().join(', ')}): two machines of one name, or a stolen identity`;
    add('two-epochs', settings.alertEpochsMinutes, { severity: 'critical', reason });
  }
  const crashes = facts.crashes?.get(node);
  if (crashes && crashes.count >= settings.alertCrashes) {
    const reason = `${crashes.count} crashes within ${settings.alertCrashMinutes} min; the last: ${crashes.lastMessage}`;
    add('crash-loop', 0, { severity: 'critical', reason, since: crashes.first });
  }
  if (state.fallback) {
    const reason = `mode ${state.mode}: ${state.modeReason}`;
    add('fallback', settings.alertFallbackMinutes, {
      severity: 'warning',
      reason,
      since: changes.mode ?? state.startedAt,
    });
  }
  // A rung that the configuration asks for is no trouble; a machine without Kubernetes that cannot have rung 1 is.
  if (state.rung > state.rungWanted) {
    const severity = state.rung === 4 ? 'critical' : 'warning';
    const reason = `rung ${state.rung}: ${state.rungReason}`;
    add('rung', settings.alertRungMinutes, { severity, reason, since: changes.rung ?? state.startedAt });
  }
  if (state.kubeletMismatches.length > 0) {
    const reason = `${state.kubeletMismatches.join('; ')}: the node's cgroups say otherwise`;
    add('kubelet-mismatch', settings.alertKubeletMinutes, { severity: 'warning', reason });
  }
  const shares = facts.shares?.get(node);
  if (shares) {
    const stored = shares.pod + shares.container + shares.host + shares.nothing;
    const over = (part: number, whole: number, limit: number) => whole >= MIN_SAMPLES && (100 * part) / whole > limit;
    if (over(shares.lost, stored + shares.lost, settings.alertLossPercent)) {
      const reason = `${percent(shares.lost, stored + shares.lost)} of the samples of the last ${settings.alertShareMinutes} min were lost: ${lossReasons(state.lost)}`;
      add('loss', settings.alertShareMinutes, { severity: 'warning', reason });
    }
    if (over(shares.nothing, stored, settings.alertUnattributedPercent)) {
      const reason = `${percent(shares.nothing, stored)} of the samples of the last ${settings.alertShareMinutes} min belong to no pod, no container and not to the host`;
      add('unattributed', settings.alertShareMinutes, { severity: 'warning', reason });
    }
  }
  return found;
}

function percent(part: number, whole: number): string {
  return `${Math.round((100 * part) / whole)} %`;
}

function lossReasons(lost: Readonly<Record<string, number>>): string {
  const reasons = unwantedLosses(lost)
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([reason]) => reason);
  return reasons.length === 0 ? 'the node gives no reason' : reasons.slice(0, 4).join(', ');
}
