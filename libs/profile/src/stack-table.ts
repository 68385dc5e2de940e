/** Weighted stacks: row `i` is `frames[offsets[i] .. offsets[i + 1])`, root first, and stands for `values[i]` ≥ 0. */
export interface StackColumns {
  readonly offsets: Uint32Array;
  /** Indices into FrameColumns. */
  readonly frames: Uint32Array;
  readonly values: Float64Array;
}

/** Adds up equal stacks. */
export class StackTable {
  private readonly index = new Map<string, number>();
  private readonly offsets: number[] = [0];
  private readonly frames: number[] = [];
  private readonly values: number[] = [];

  get length(): number {
    return this.values.length;
  }

  /**
   * @param frames root first
   * @returns the stack's row
   */
  add(frames: readonly number[], value: number): number {
    const key = frames.join(' ');
    let row = this.index.get(key);
    if (row === undefined) {
      this.index.set(key, (row = this.values.length));
      for (const frame of frames) this.frames.push(frame);
      this.offsets.push(this.frames.length);
      this.values.push(0);
    }
    this.values[row]! += value;
    return row;
  }

  columns(): StackColumns {
    return {
      offsets: Uint32Array.from(this.offsets),
      frames: Uint32Array.from(this.frames),
      values: Float64Array.from(this.values),
    };
  }
}
