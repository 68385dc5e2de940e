export interface SeriesRow {
  readonly id: bigint;
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
}

export interface StackRow {
  readonly id: bigint;
  /** Frame ids, root first. */
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

/** Struct of arrays; row `i` is (time[i], series[i], stack[i], value[i]). */
export interface SampleRows {
  /** Unix seconds. */
  readonly time: number[];
  readonly series: bigint[];
  readonly stack: bigint[];
  /** In the series' unit. */
  readonly value: number[];
}

/** What one message becomes, whatever came before it. */
export interface MessageRows {
  readonly series: readonly SeriesRow[];
  readonly stacks: readonly StackRow[];
  readonly frames: readonly FrameRow[];
  readonly samples: SampleRows;
  /** Samples in the message, in the sense of the header `taken`. */
  readonly stored: number;
}
