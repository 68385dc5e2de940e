export interface SeriesRow extends Id64 {
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

/** An id beside its halves, which is how the hot paths compare and write it. */
export interface Id64 {
  readonly id: bigint;
  readonly low: number;
  readonly high: number;
}

export function id64(id: bigint): Id64 {
  return { id, low: Number(id & 0xffff_ffffn), high: Number(id >> 32n) };
}

export interface StackRow extends Id64 {
  /** Halves (low, high) of the frame ids, root first. */
  readonly frames: Uint32Array;
}

export interface FrameRow extends Id64 {
  readonly kind: string;
  readonly binaryId: string;
  readonly address: bigint;
  readonly function: string;
  readonly file: string;
  readonly line: number;
  readonly mapping: string;
}

/** Rows of one message as typed columns; ids as halves (low, high). */
export class SampleRows {
  length = 0;
  /** Unix seconds. */
  time: Uint32Array<ArrayBuffer>;
  series: Uint32Array<ArrayBuffer>;
  stack: Uint32Array<ArrayBuffer>;
  /** In the series' unit. */
  value: Float64Array<ArrayBuffer>;

  constructor(capacity = 256) {
    this.time = new Uint32Array(capacity);
    this.series = new Uint32Array(capacity * 2);
    this.stack = new Uint32Array(capacity * 2);
    this.value = new Float64Array(capacity);
  }

  push(time: number, series: Id64, stackLow: number, stackHigh: number, value: number): void {
    const at = this.length++;
    if (at === this.time.length) this.grow();
    this.time[at] = time;
    this.series[at * 2] = series.low;
    this.series[at * 2 + 1] = series.high;
    this.stack[at * 2] = stackLow;
    this.stack[at * 2 + 1] = stackHigh;
    this.value[at] = value;
  }

  private grow(): void {
    const wider = (column: Uint32Array<ArrayBuffer>) => {
      const next = new Uint32Array(column.length * 2);
      next.set(column);
      return next;
    };
    this.time = wider(this.time);
    this.series = wider(this.series);
    this.stack = wider(this.stack);
    const value = new Float64Array(this.value.length * 2);
    value.set(this.value);
    this.value = value;
  }
}

/**
 * What one message becomes. Samples are a pure function of the message; of stacks and frames those are left out that the
 * caller knows to be in the store already.
 */
export interface MessageRows {
  readonly series: readonly SeriesRow[];
  readonly stacks: readonly StackRow[];
  readonly frames: readonly FrameRow[];
  readonly samples: SampleRows;
  /** Samples in the message, in the sense of the header `taken`. */
  readonly stored: number;
  /** Samples whose time could not be true. */
  readonly clamped: number;
}
