import type { FleetColumns } from './gen/api.ts';

/** Sampler in use, in words. */
export const RUNG_NAMES: Readonly<Record<number, string>> = {
  1: 'eBPF',
  2: 'perf, whole system',
  3: 'perf, own processes',
  4: 'not sampling',
};

export const FLEET_MODES = ['pods', 'containers-only', 'whole-system'] as const;
export type FleetMode = (typeof FLEET_MODES)[number];

/** off: no budget; ok: as configured; lowered: less than configured; exhausted: over budget with nothing left to lower. */
export const FLEET_GOVERNORS = ['off', 'ok', 'lowered', 'exhausted'] as const;
export type GovernorMood = (typeof FLEET_GOVERNORS)[number];

/** One node of `FleetColumns`. */
export interface FleetNode {
  readonly node: string;
  readonly cluster: string;
  readonly alive: boolean;
  /** Unix milliseconds. */
  readonly lastSeen: number;
  readonly mode: FleetMode;
  readonly fallback: boolean;
  readonly modeReason: string;
  readonly podRoots: string;
  readonly kubeletMismatches: string;
  readonly rung: number;
  readonly rungWanted: number;
  readonly rungReason: string;
  readonly rateHz: number;
  readonly rateWanted: number;
  readonly configVersion: number;
  readonly configError: string;
  readonly governor: GovernorMood;
  readonly restarts: number;
  readonly crash: string;
  readonly taken: number;
  readonly lost: number;
  readonly kernel: string;
  readonly cgroupVersion: string;
  /** 0 to 1, null = not known. */
  readonly lostShare: number | null;
  readonly unattributedShare: number | null;
}

export function fleetNodes(columns: FleetColumns): FleetNode[] {
  const { strings } = columns;
  const text = (column: readonly number[], i: number) => strings[column[i] ?? -1] ?? '';
  const share = (column: readonly number[], i: number) => ((column[i] ?? -1) < 0 ? null : column[i]! / 1000);
  return columns.node.map((node, i) => ({
    node,
    cluster: text(columns.cluster, i),
    alive: columns.alive[i] === 1,
    lastSeen: (columns.lastSeen[i] ?? 0) * 1000,
    mode: FLEET_MODES[columns.mode[i] ?? 2] ?? 'whole-system',
    fallback: columns.fallback[i] === 1,
    modeReason: text(columns.modeReason, i),
    podRoots: text(columns.podRoots, i),
    kubeletMismatches: text(columns.kubeletMismatches, i),
    rung: columns.rung[i] ?? 4,
    rungWanted: columns.rungWanted[i] ?? 1,
    rungReason: text(columns.rungReason, i),
    rateHz: columns.rateHz[i] ?? 0,
    rateWanted: columns.rateWanted[i] ?? 0,
    configVersion: columns.configVersion[i] ?? 0,
    configError: text(columns.configError, i),
    governor: FLEET_GOVERNORS[columns.governor[i] ?? 0] ?? 'off',
    restarts: columns.restarts[i] ?? 0,
    crash: text(columns.crash, i),
    taken: columns.taken[i] ?? 0,
    lost: columns.lost[i] ?? 0,
    kernel: text(columns.kernel, i),
    cgroupVersion: text(columns.cgroupVersion, i),
    lostShare: share(columns.lostShare, i),
    unattributedShare: share(columns.unattributedShare, i),
  }));
}
