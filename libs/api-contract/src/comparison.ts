/**
 * GET heatmap?query&from&until&step&buckets&by : how the value spreads, step by step. One thing is a series, or one value of the
 * label `by`. Only cells that hold something are there, by time, then bucket; their `value`s add up to `total`.
 */
export interface HeatmapResponse {
  readonly type: string;
  readonly unit: string;
  /** Of `bounds`: `cores` for nanoseconds of CPU time, `threads` for those of other time, else the unit with `/s`. */
  readonly rateUnit: string;
  readonly step: number;
  /** Start of each step. */
  readonly times: readonly number[];
  /** Edges of the buckets, one more than there are buckets, ascending from 0. The largest rate is in the last bucket. */
  readonly bounds: readonly number[];
  readonly total: number;
  readonly cells: {
    /** Index into `times`. */
    readonly time: readonly number[];
    /** Index of the bucket: bounds[bucket] <= rate < bounds[bucket + 1]. */
    readonly bucket: readonly number[];
    /** Things with a value in this step and a rate of this bucket. */
    readonly count: readonly number[];
    /** What they used together, in `unit`. */
    readonly value: readonly number[];
  };
}

/** How the base is scaled before it is compared: to the same CPU time, the same length of time, or the same number of pods and time. */
export const COMPARE_PER = ['cpu', 'time', 'pod'] as const;
export type ComparePer = (typeof COMPARE_PER)[number];

export interface CompareSide {
  readonly selector: string;
  readonly from: number;
  readonly until: number;
  readonly total: number;
  /** The same as a count of samples; 0 for types without a period. */
  readonly samples: number;
  readonly pods: number;
}

export interface CompareFunction {
  readonly function: string;
  readonly file: string;
  readonly module: string;
  readonly kind: string;
  /** As measured, not scaled. */
  readonly base: { readonly self: number; readonly total: number };
  readonly self: number;
  readonly total: number;
  /** self - base.self × scale. */
  readonly change: number;
}

/**
 * GET compare?query&label&base&with, or query&baseQuery, &from&until&baseFrom&baseUntil&per&limit : two versions of a service.
 * Self values of `gained`, `lost` and `others` add up to the totals of both sides.
 */
export interface CompareResponse {
  readonly type: string;
  readonly unit: string;
  readonly per: ComparePer;
  /** What a value of the base is multiplied by; 0 when the base is empty. */
  readonly scale: number;
  readonly base: CompareSide;
  readonly with: CompareSide;
  /** Largest change first. */
  readonly gained: readonly CompareFunction[];
  readonly lost: readonly CompareFunction[];
  /** Functions that the limit leaves out, and those that did not change. */
  readonly others: {
    readonly functions: number;
    readonly baseSelf: number;
    readonly self: number;
    readonly change: number;
  };
}
