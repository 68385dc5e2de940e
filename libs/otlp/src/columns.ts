import type { Ragged } from './model.ts';

/** Growing Int32 column. */
export class IntColumn {
  private data = new Int32Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.data.length) {
      const next = new Int32Array(this.length * 2);
      next.set(this.data);
      this.data = next;
    }
    this.data[this.length++] = value;
  }

  done(): Int32Array {
    return this.data.slice(0, this.length);
  }
}

/** Growing ragged array of Int32: push values, then `endRow`. */
export class RaggedColumn {
  readonly values = new IntColumn();
  private readonly offsets = new IntColumn();
  private start = 0;

  constructor() {
    this.offsets.push(0);
  }

  get rows(): number {
    return this.offsets.length - 1;
  }

  /** Values of the row that is not ended yet. */
  get open(): number {
    return this.values.length - this.start;
  }

  endRow(): void {
    this.start = this.values.length;
    this.offsets.push(this.start);
  }

  done(): Ragged {
    return { offsets: Uint32Array.from(this.offsets.done()), values: this.values.done() };
  }
}
