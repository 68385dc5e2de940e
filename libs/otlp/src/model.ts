/**
 * OTLP Profiles as struct of arrays: a decoded `ExportProfilesServiceRequest`
 * (opentelemetry-proto v1.10.0, `profiles/v1development`).
 *
 * Table index 0 is the "unset" entry of every dictionary table, as the specification says.
 * All indices are validated by the decoder: a consumer may use them without a check.
 */
export const OTLP_SCHEMA = 'opentelemetry-proto/1.10.0';

/** Ragged array: row `i` is `values[offsets[i] .. offsets[i + 1])`. */
export interface Ragged<T = Int32Array> {
  readonly offsets: Uint32Array;
  readonly values: T;
}

export type AttributeValue = string | boolean | bigint | number | Uint8Array | null;

export interface Dictionary {
  readonly strings: readonly string[];
  readonly attributes: {
    readonly key: Int32Array;
    readonly value: readonly AttributeValue[];
    readonly unit: Int32Array;
  };
  readonly mappings: {
    readonly start: BigUint64Array;
    readonly limit: BigUint64Array;
    readonly fileOffset: BigUint64Array;
    readonly filename: Int32Array;
    readonly attributes: Ragged;
  };
  readonly functions: {
    readonly name: Int32Array;
    readonly systemName: Int32Array;
    readonly filename: Int32Array;
    readonly startLine: Float64Array;
  };
  readonly locations: {
    readonly mapping: Int32Array;
    /** ELF virtual address of a native frame; return addresses already minus one. */
    readonly address: BigUint64Array;
    /** Rows index `lines`, innermost (inlined) first. */
    readonly lineOffsets: Uint32Array;
    readonly attributes: Ragged;
  };
  readonly lines: { readonly function: Int32Array; readonly line: Float64Array };
  /** Location indices, leaf first. */
  readonly stacks: Ragged;
  /** Rows of `LINK_BYTES`: trace id and span id as on the wire, zeros = unknown. Not every index of a sample is one of a row. */
  readonly links: Uint8Array;
}

export interface SampleTable {
  readonly length: number;
  readonly stack: Int32Array;
  readonly attributes: Ragged;
  /** For `linkAt`: whatever was sent; 0 = none. */
  readonly link: Uint32Array;
  readonly values: Ragged<Float64Array>;
  /** Unix nanoseconds. A sample without values counts one per timestamp. */
  readonly timestamps: Ragged<BigUint64Array>;
}

export interface Profile {
  /** String table indices. */
  readonly sampleType: { readonly type: number; readonly unit: number };
  readonly periodType: { readonly type: number; readonly unit: number };
  readonly period: number;
  readonly timeUnixNano: bigint;
  readonly durationNano: bigint;
  readonly samples: SampleTable;
  readonly attributes: Int32Array;
}

export interface ResourceProfiles {
  readonly attributes: ReadonlyArray<readonly [string, AttributeValue]>;
  readonly profiles: readonly Profile[];
}

export interface ProfilesData {
  readonly dictionary: Dictionary;
  readonly resources: readonly ResourceProfiles[];
}

/** Bounds on what a message may hold; a message over one is refused with an error that names it. */
export interface DecodeLimits {
  readonly messageBytes: number;
  readonly tableEntries: number;
  readonly stackDepth: number;
  readonly stringBytes: number;
  readonly samples: number;
}

export const DEFAULT_LIMITS: DecodeLimits = {
  messageBytes: 8 << 20,
  tableEntries: 1 << 20,
  stackDepth: 1024,
  stringBytes: 64 << 10,
  samples: 1 << 20,
};
