/**
 * One window of samples as struct of arrays, as the sampler wrote it (native/sampler/PROTOCOL.md). Columns are
 * zero-copy views of the payload. All indices are validated by `decodeWindow`: a consumer uses them without a check.
 *
 *   samples ──▶ processes
 *      └──────▶ stacks ──▶ frames ──▶ binaries        everything textual ──▶ strings
 */
export interface Window {
  /** Last window before the sampler exits. */
  readonly last: boolean;
  /** Unix nanoseconds. */
  readonly start: bigint;
  readonly end: bigint;
  /** Nanoseconds of CPU that one sample stands for. */
  readonly period: bigint;
  /** Samples taken since hello, idle excluded. */
  readonly taken: number;
  /** Losses since hello, by the sampler's reason. */
  readonly lost: Readonly<Record<string, number>>;
  /** Index 0 is "". */
  readonly strings: readonly string[];
  /** String indices; 0 = unknown. Build ids are hexadecimal. */
  readonly binaries: { readonly path: Uint32Array; readonly gnuBuildId: Uint32Array; readonly htlHash: Uint32Array };
  readonly frames: {
    /** String index: a `profile.frame.type`. */
    readonly kind: Uint32Array;
    /** NO_BINARY when the frame is not in a file. */
    readonly binary: Uint32Array;
    /** ELF virtual address, return addresses already minus one; 0 for named frames. */
    readonly address: BigUint64Array;
    /** String indices, named frames only. */
    readonly function: Uint32Array;
    readonly file: Uint32Array;
  };
  /** Row `i` is `frame[offset[i] .. offset[i + 1])`, leaf first. */
  readonly stacks: { readonly offset: Uint32Array; readonly frame: Uint32Array; readonly flags: Uint32Array };
  readonly processes: {
    readonly pid: Uint32Array;
    /** String indices. */
    readonly comm: Uint32Array;
    readonly executable: Uint32Array;
    /** String index: text of /proc/PID/cgroup, "" when the process was gone. */
    readonly cgroupFile: Uint32Array;
    /** Cgroup ids (inodes); 0 = unknown. */
    readonly cgroupV2: BigUint64Array;
    readonly cgroupV1: BigUint64Array;
    /** String index: the v1 controller whose hierarchy `cgroupV1` belongs to. */
    readonly cgroupV1Controller: Uint32Array;
  };
  /** `thread` is a string index (thread name). */
  readonly samples: SampleColumns & {
    /** Each sample of the row stands for so many, its period is as many times the window's; left out = 1 for all. */
    readonly oneIn?: Uint32Array;
  };
  /** Time that threads were blocked; without rows unless the sampler was asked for it. */
  readonly offCpu: BlockedColumns;
}

export interface SampleColumns {
  readonly process: Uint32Array;
  readonly thread: Uint32Array;
  readonly stack: Uint32Array;
  readonly count: Uint32Array;
}

/** `count` is the blocks that were seen; `nanoseconds` is estimated from them for all, seen or not. A block is in the window in which it ended. */
export interface BlockedColumns extends SampleColumns {
  readonly nanoseconds: BigUint64Array;
}

export const NOTHING_BLOCKED: BlockedColumns = {
  ...{ process: new Uint32Array(), thread: new Uint32Array(), stack: new Uint32Array(), count: new Uint32Array() },
  nanoseconds: new BigUint64Array(),
};

export const WINDOW_VERSION = 1;
export const NO_BINARY = 0xffffffff;
export const STACK_CUT = 1;
export const STACK_USER_MISSING = 2;
