import type { SpanLink } from '@perfleet/otlp';

/** The rows of one message, in plain form. Ids are unsigned 64-bit. */
export interface SeriesRow {
  readonly id: bigint;
  /** Of the labels that instances of one workload share. */
  readonly workload: bigint;
  readonly cluster: string;
  readonly node: string;
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  readonly container: string;
  readonly containerId: string;
  readonly service: string;
  readonly process: string;
  readonly type: string;
  readonly unit: string;
  readonly period: number;
  /** What the sender added, sorted by name. */
  readonly labels: ReadonlyArray<readonly [name: string, value: string]>;
}

export interface StackRow {
  readonly id: bigint;
  /** Root first. */
  readonly frames: readonly bigint[];
}

export interface FrameRow {
  readonly id: bigint;
  readonly kind: string;
  readonly binaryId: string;
  readonly address: bigint;
  readonly function: string;
  readonly file: string;
  readonly line: number;
  readonly mapping: string;
}

export interface SampleRow {
  /** Unix seconds. */
  readonly time: number;
  readonly workload: bigint;
  readonly series: bigint;
  readonly stack: bigint;
  /** In the series' unit. */
  readonly value: number;
}

/** A sample with a link, which is among the samples, too. */
export interface LinkedRow extends SampleRow, SpanLink {}

/** What one message becomes: a pure function of its bytes, its headers and the broker's time. */
export interface MessageRows {
  readonly series: readonly SeriesRow[];
  readonly stacks: readonly StackRow[];
  readonly frames: readonly FrameRow[];
  readonly samples: readonly SampleRow[];
  readonly linked: readonly LinkedRow[];
  /** Samples in the message, in the sense of the header `taken`. */
  readonly stored: number;
  /** Samples whose time could not be true. */
  readonly clamped: number;
}
