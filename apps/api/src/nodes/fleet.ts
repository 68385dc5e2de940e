import { causeOf, FLEET_GOVERNORS, FLEET_MODES, type FleetColumns } from '@perfleet/api-contract';
import { unwantedLosses } from '@perfleet/messages';
import type { NodeEntry } from '@perfleet/node-state';
import type { Shares } from '../alerts/conditions.ts';

/** Longest reason that the overview carries; the node's own page has all of it. */
const MAX_REASON = 300;

/** The registry as columns, by cluster and name: texts that many nodes share stand once. */
export function fleetOf(entries: readonly NodeEntry[], shares: ReadonlyMap<string, Shares> | null): FleetColumns {
  const strings: string[] = [];
  const index = new Map<string, number>();
  const text = (value: string) => {
    const short = value.slice(0, MAX_REASON);
    let at = index.get(short);
    if (at === undefined) index.set(short, (at = strings.push(short) - 1));
    return at;
  };
  const ordered = [...entries].sort(
    (a, b) => compare(a.state.cluster, b.state.cluster) || compare(a.state.node, b.state.node),
  );
  const column = <T>(of: (entry: NodeEntry) => T) => ordered.map(of);
  const share = (of: (s: Shares) => number) =>
    column(({ state: { node } }) => {
      const s = shares?.get(node);
      const value = s ? of(s) : NaN;
      return Number.isFinite(value) ? Math.round(1000 * value) : -1;
    });
  const stored = (s: Shares) => s.pod + s.container + s.host + s.nothing;
  return {
    strings,
    node: column(({ state }) => state.node),
    cluster: column(({ state }) => text(state.cluster)),
    alive: column(({ alive }) => (alive ? 1 : 0)),
    lastSeen: column(({ lastSeen }) => Math.round(lastSeen / 1000)),
    mode: column(({ state }) => FLEET_MODES.indexOf(state.mode)),
    fallback: column(({ state }) => (state.fallback ? 1 : 0)),
    modeReason: column(({ state }) => text(state.modeReason)),
    podRoots: column(({ state }) => text(state.podRoots.join(', '))),
    kubeletMismatches: column(({ state }) => text(state.kubeletMismatches.join('; '))),
    rung: column(({ state }) => state.rung),
    rungWanted: column(({ state }) => state.rungWanted),
    rungReason: column(({ state }) => text(state.rungReason)),
    rateHz: column(({ state }) => state.rateHz),
    rateWanted: column(({ state }) => state.rateWanted || state.rateHz),
    configVersion: column(({ state }) => state.configVersion),
    configError: column(({ state }) => text(state.configError)),
    governor: column(({ state }) => FLEET_GOVERNORS.indexOf(state.governor)),
    restarts: column(({ state }) => state.restarts),
    crash: column(({ state }) => text(causeOf(state.lastExit))),
    taken: column(({ state }) => state.taken),
    lost: column(({ state }) => unwantedLosses(state.lost).reduce((sum, [, count]) => sum + count, 0)),
    kernel: column(({ state }) => text(state.kernel)),
    cgroupVersion: column(({ state }) => text(state.cgroupVersion)),
    lostShare: share((s) => s.lost / (stored(s) + s.lost)),
    unattributedShare: share((s) => s.nothing / stored(s)),
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
