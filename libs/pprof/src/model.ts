/**
 * A profile as `profile.proto` holds it (https://github.com/google/pprof/blob/main/proto/profile.proto), with tables already
 * followed: frames and mappings are shared objects. Meant for a recording or an export, not for a stream of messages.
 */
export interface PprofInput {
  /** What each of a sample's values is, e.g. `[{type: 'samples', unit: 'count'}, {type: 'cpu', unit: 'nanoseconds'}]`. */
  readonly sampleTypes: readonly PprofValueType[];
  /** What the period counts, e.g. `{type: 'cpu', unit: 'nanoseconds'}`. */
  readonly periodType: PprofValueType;
  /** In units of `periodType`; 0 = unknown. */
  readonly period: number | bigint;
  /** Unix nanoseconds; 0 = unknown. */
  readonly timeNanos: bigint;
  readonly durationNanos: bigint;
  readonly samples: readonly PprofSample[];
  /** Path of the mapping that is shown as the program: it is written first. */
  readonly mainBinary?: string;
  readonly comments?: readonly string[];
}

export interface PprofValueType {
  readonly type: string;
  readonly unit: string;
}

export interface PprofSample {
  /** Leaf first. The same frame should be the same object: it is looked at once. */
  readonly stack: readonly PprofFrame[];
  /** One per sample type. */
  readonly values: readonly (number | bigint)[];
  /** E.g. `[['thread', 'main'], ['pid', 42]]`. */
  readonly labels?: ReadonlyArray<readonly [string, string | number | bigint]>;
}

/** One address. Without `lines` it has no name. */
export interface PprofFrame {
  /** Innermost (inlined) first: the last one is the function that the address is really in. */
  readonly lines: readonly PprofLine[];
  /** ELF virtual address; 0 or absent = unknown. */
  readonly address?: bigint;
  readonly mapping?: PprofMapping;
}

export interface PprofLine {
  readonly function: string;
  readonly file: string;
  /** 0 = unknown. */
  readonly line: number;
}

export interface PprofMapping {
  readonly path: string;
  /** Hexadecimal; '' = unknown. */
  readonly buildId: string;
  readonly start?: bigint;
  readonly limit?: bigint;
  readonly fileOffset?: bigint;
}

/** What `decodePprof` answers: the same with everything present. */
export interface PprofProfile extends PprofInput {
  readonly period: bigint;
  readonly samples: readonly Required<PprofSample>[];
  readonly comments: readonly string[];
}

/** Bounds on what a profile may hold; one over a bound is refused with an error that names it. */
export interface PprofLimits {
  /** Uncompressed. */
  readonly bytes: number;
  /** Mappings, locations, lines, functions and strings, each. */
  readonly tableEntries: number;
  readonly stackDepth: number;
  readonly stringBytes: number;
  readonly samples: number;
}

export const DEFAULT_PPROF_LIMITS: PprofLimits = {
  bytes: 64 << 20,
  tableEntries: 1 << 20,
  stackDepth: 4096,
  stringBytes: 64 << 10,
  samples: 1 << 20,
};

/** The bytes are not a profile this library takes; `offset` is where reading stopped, in the uncompressed bytes. */
export class PprofDecodeError extends Error {
  override readonly name = 'PprofDecodeError';
  constructor(
    message: string,
    readonly offset: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
