import type { GovernorMood } from './fleet.ts';

/** Shapes of `/api/v1`. Times in requests are Unix seconds or `now-15m`; times in answers are Unix milliseconds. */
export * from './alerts.ts';
export * from './causes.ts';
export * from './comparison.ts';
export * from './config.ts';
export * from './fleet.ts';

/** Flame graph nodes as columns, in depth-first order; node 0 is the root and `parent[i] < i`. Values in `unit`. */
export interface FlameGraphColumns {
  readonly strings: readonly string[];
  readonly parent: readonly number[];
  /** Index into `strings`: function name. */
  readonly name: readonly number[];
  /** Index into `strings`: source file, or "". */
  readonly file: readonly number[];
  /** Index into `strings`: module (base name of the binary), or "". */
  readonly module: readonly number[];
  /** Index into `strings`: profile.frame.type (native, kernel, v8js, …). */
  readonly kind: readonly number[];
  /** 1 when the frame was inlined into its parent. */
  readonly inlined: readonly number[];
  readonly self: readonly number[];
  readonly total: readonly number[];
}

/** GET flamegraph?query=SELECTOR&from&until */
export interface FlameGraphResponse {
  readonly type: string;
  readonly unit: string;
  readonly total: number;
  readonly graph: FlameGraphColumns;
  /** Milliseconds the query took in the store. */
  readonly tookMs: number;
}

/** GET top?query&from&until&limit */
export interface TopResponse {
  readonly unit: string;
  readonly total: number;
  readonly functions: ReadonlyArray<{
    function: string;
    file: string;
    module: string;
    kind: string;
    self: number;
    total: number;
  }>;
}

/** GET unresolved-binaries?query&from&until&limit : binaries with frames that have no name, most samples first. */
export interface UnresolvedBinariesResponse {
  readonly binaries: ReadonlyArray<{
    /** Path of the mapping as the process saw it. */
    readonly binary: string;
    readonly binaryId: string;
    readonly reason: string;
    /** Unix milliseconds of the first and the last such sample in the range. */
    readonly since: number;
    readonly until: number;
    /** Samples with at least one such frame. */
    readonly samples: number;
    /** The same as a part of all samples of the selection, 0 to 1. */
    readonly share: number;
    readonly nodes: number;
  }>;
}

/** GET series?query&from&until&step(seconds)&by=label : sum of the value per step. */
export interface SeriesResponse {
  readonly unit: string;
  readonly step: number;
  readonly times: readonly number[];
  readonly series: ReadonlyArray<{ labels: Record<string, string>; values: readonly number[] }>;
}

/** GET labels -> { labels }, GET labels/:name/values -> { values } with the value of CPU each had, largest first. */
export interface LabelsResponse {
  readonly labels: readonly string[];
}
export interface LabelValuesResponse {
  readonly values: ReadonlyArray<{ value: string; total: number }>;
}

/** GET profile-types */
export interface ProfileTypesResponse {
  readonly types: ReadonlyArray<{ type: string; unit: string }>;
}

/** GET nodes, nodes/:id. `alive` is the heartbeat; the state is the node's last word. */
export interface NodeSummary {
  readonly node: string;
  readonly cluster: string;
  readonly alive: boolean;
  readonly lastSeen: number;
  readonly mode: 'pods' | 'containers-only' | 'whole-system';
  readonly fallback: boolean;
  readonly modeReason: string;
  /** Paths inside the cgroup hierarchies that hold pods. */
  readonly podRoots: readonly string[];
  /** What the kubelet declares and the cgroup layout contradicts. */
  readonly kubeletMismatches: readonly string[];
  readonly rung: number;
  readonly rungReason: string;
  readonly rungWanted: number;
  readonly kernel: string;
  readonly cgroupVersion: string;
  readonly cpus: number;
  /** In effect, and as configured. */
  readonly rateHz: number;
  readonly rateWanted: number;
  /** Version of the fleet's configuration in force there, and why it is not the one in the store. */
  readonly configVersion: number;
  readonly configError: string;
  readonly governor: GovernorMood;
  readonly governorReason: string;
  /** Cost of collector and sampler: percent of one core, and resident memory. */
  readonly cpuPercent: number;
  readonly memoryMib: number;
  readonly restarts: number;
  readonly lastExit: string;
  readonly taken: number;
  readonly published: number;
  readonly lost: Record<string, number>;
  readonly clockSkewMs: number;
  /** Binaries that the node sends to the symbolizer; absent when it sends none. */
  readonly uploads?: {
    readonly sent: number;
    readonly sentBytes: number;
    readonly had: number;
    readonly refused: number;
    readonly dropped: number;
    readonly queued: number;
    readonly queuedBytes: number;
    readonly away: boolean;
    readonly lastError: string;
  };
}
export interface NodesResponse {
  readonly nodes: readonly NodeSummary[];
}

/** GET diff?query&from&until&baseQuery&baseFrom&baseUntil&limit : functions of both sides, largest change of share first. */
export interface DiffResponse {
  readonly unit: string;
  readonly baseTotal: number;
  readonly total: number;
  readonly functions: ReadonlyArray<{
    function: string;
    file: string;
    module: string;
    kind: string;
    base: { self: number; total: number };
    self: number;
    total: number;
  }>;
}

/** POST sql {"query", "params"} */
export interface SqlRequest {
  readonly query: string;
  readonly params?: Record<string, string | number>;
}
export interface SqlResponse {
  readonly columns: ReadonlyArray<{ name: string; type: string }>;
  readonly rows: readonly (readonly unknown[])[];
  readonly tookMs: number;
}

/** Every error answer. `position` points into the query, 0-based, where it is known. */
export interface ErrorResponse {
  readonly error: { readonly code: string; readonly message: string; readonly position?: number };
}
