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

/**
 * GET fleet: every node of the registry as columns, ordered by cluster and name; 10,000 nodes are under a megabyte.
 * Texts are indexes into `strings`.
 */
export interface FleetColumns {
  readonly strings: readonly string[];
  readonly node: readonly string[];
  readonly cluster: readonly number[];
  readonly alive: readonly number[];
  /** Unix seconds. */
  readonly lastSeen: readonly number[];
  /** Index into `FLEET_MODES`. */
  readonly mode: readonly number[];
  readonly fallback: readonly number[];
  readonly modeReason: readonly number[];
  /** Joined by commas. */
  readonly podRoots: readonly number[];
  /** Joined by semicolons. */
  readonly kubeletMismatches: readonly number[];
  readonly rung: readonly number[];
  readonly rungWanted: readonly number[];
  readonly rungReason: readonly number[];
  readonly rateHz: readonly number[];
  /** As configured. */
  readonly rateWanted: readonly number[];
  readonly configVersion: readonly number[];
  /** Why that version is not the one in the store, "" when it is. */
  readonly configError: readonly number[];
  /** Index into `FLEET_GOVERNORS`. */
  readonly governor: readonly number[];
  readonly restarts: readonly number[];
  /** Cause of the last crash: `causeOf` of the last exit. */
  readonly crash: readonly number[];
  readonly taken: readonly number[];
  readonly lost: readonly number[];
  readonly kernel: readonly number[];
  readonly cgroupVersion: readonly number[];
  /** Per mille of the samples of the last minutes, -1 = not known. */
  readonly lostShare: readonly number[];
  readonly unattributedShare: readonly number[];
}

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

/** GET nodes/:id/timeline?from&until. Times are Unix milliseconds, oldest first. */
export interface NodeTimelineResponse {
  readonly from: number;
  readonly until: number;
  /** What held when the range begins; null when the node was not heard of before. */
  readonly before: TimelineState | null;
  readonly events: ReadonlyArray<{
    readonly time: number;
    readonly kind: string;
    readonly message: string;
    readonly epoch: string;
    readonly state: TimelineState | null;
  }>;
  /** There were more events than are listed: the oldest are left out. */
  readonly truncated: boolean;
  /** Samples per step (seconds), by what they are attributed to. Steps without samples are left out. */
  readonly coverage: {
    readonly step: number;
    readonly times: readonly number[];
    readonly pod: readonly number[];
    readonly container: readonly number[];
    readonly host: readonly number[];
    readonly nothing: readonly number[];
    readonly lost: readonly number[];
  };
}
export interface TimelineState {
  readonly mode: FleetMode;
  readonly fallback: boolean;
  readonly rung: number;
  readonly rateHz: number;
}
