import { IdTable } from '@perfleet/ids';
import { FrameTable, type Frame } from '@perfleet/profile';

/** Frames of all stacks that are kept: 128 MB. Past that the next query starts with an empty cache. */
const MAX_STACK_FRAMES = 1 << 25;
const MAX_FRAMES = 1 << 21;

/**
 * Stacks and names that queries met, as numbers over typed arrays. An id never changes its meaning, so a stack is asked
 * for once and so is the name of a frame; only a frame without a name is asked for again, since symbols may come late.
 *
 *   stack id ──▶ row ──▶ stackFrames[stackFrom[row] .. stackFrom[row + 1])     frame rows, root first
 *   frame id ──▶ row ──▶ chain[chainFrom[row] .. chainTo[row])                 indices into `frames`, outermost first
 */
export class ProfileCache {
  readonly frames = new FrameTable();
  private readonly stackIds = new IdTable();
  private stackFrom = new Uint32Array(1024);
  private stackFrames = new Uint32Array(1 << 14);
  private readonly frameIds = new IdTable();
  private chainFrom = new Uint32Array(1024);
  private chainTo = new Uint32Array(1024);
  /** 1 = the name is the frame's for good. */
  private final = new Uint8Array(1024);
  /** When the name was last asked for, Unix seconds; 0 = never. */
  private asked = new Uint32Array(1024);
  private chain = new Uint32Array(1024);
  private chainLength = 0;
  /** Rows of stacks in the order of their frames; those that came since it was made are not in it. */
  private ordered = new Uint32Array(0);
  /** Places in `ordered`, by row. */
  private ranks = new Uint32Array(0);

  get full(): boolean {
    return this.stackFrom[this.stackIds.length]! > MAX_STACK_FRAMES || this.frameIds.length > MAX_FRAMES;
  }

  /** @returns the stack's row, or -1 */
  stack(low: number, high: number): number {
    return this.stackIds.find(low, high);
  }

  /** @param frames halves of the frame ids `from` to `to`, root first */
  addStack(low: number, high: number, frames: Uint32Array, from: number, to: number): void {
    if (this.stackIds.find(low, high) >= 0) return;
    const row = this.stackIds.add(low, high);
    const start = this.stackFrom[row]!;
    this.stackFrames = grown(this.stackFrames, start + to - from);
    for (let i = from; i < to; i++)
      this.stackFrames[start + i - from] = this.frameRow(frames[i * 2]!, frames[i * 2 + 1]!);
    this.stackFrom = grown(this.stackFrom, row + 2);
    this.stackFrom[row + 1] = start + to - from;
  }

  /**
   * Places of all stacks in the order of their frames, where those that share callers are neighbours. Names play no part: it stays what
   * it is when they come.
   */
  rank(): Uint32Array {
    const known = this.ordered.length;
    const all = this.stackIds.length;
    if (known === all) return this.ranks;
    const compare = (a: number, b: number) => this.compareFrames(a, b);
    const added = Uint32Array.from({ length: all - known }, (_, i) => known + i).sort(compare);
    this.ordered = merged(this.ordered, added, compare);
    this.ranks = new Uint32Array(all);
    this.ordered.forEach((row, at) => (this.ranks[row] = at));
    return this.ranks;
  }

  /** The frame rows of a stack. A view that is valid until the next `addStack`. */
  framesOf(stack: number): Uint32Array {
    return this.stackFrames.subarray(this.stackFrom[stack], this.stackFrom[stack + 1]);
  }

  /**
   * Rows of the frames of these stacks whose names may still change, each once.
   * @param before those asked for since then (Unix seconds) are left out
   */
  nameless(stacks: Int32Array, before: number): Uint32Array {
    const seen = new Uint8Array(this.frameIds.length);
    const rows: number[] = [];
    for (const stack of stacks) {
      if (stack < 0) continue;
      for (let i = this.stackFrom[stack]!; i < this.stackFrom[stack + 1]!; i++) {
        const frame = this.stackFrames[i]!;
        if (seen[frame] || this.final[frame]) continue;
        seen[frame] = 1;
        if (this.asked[frame]! < before) rows.push(frame);
      }
    }
    return Uint32Array.from(rows);
  }

  frameId(row: number): bigint {
    return this.frameIds.id(row);
  }

  /** @returns the frame's row, or -1 */
  frame(low: number, high: number): number {
    return this.frameIds.find(low, high);
  }

  /** @param chain outermost first, at least one */
  name(row: number, chain: readonly Frame[], final: boolean, now: number): void {
    this.final[row] = final ? 1 : 0;
    this.asked[row] = now;
    const indices = chain.map((frame) => this.frames.add(frame));
    const [from, to] = [this.chainFrom[row]!, this.chainTo[row]!];
    // Asked again with the same answer: the list must not grow by it.
    if (to - from === indices.length && indices.every((index, i) => this.chain[from + i] === index)) return;
    this.chain = grown(this.chain, this.chainLength + indices.length);
    this.chain.set(indices, this.chainLength);
    this.chainFrom[row] = this.chainLength;
    this.chainTo[row] = this.chainLength += indices.length;
  }

  named(row: number): boolean {
    return this.chainTo[row] !== this.chainFrom[row];
  }

  /** How many frames a stack has with what was inlined. */
  depth(stack: number): number {
    let depth = 0;
    for (let i = this.stackFrom[stack]!; i < this.stackFrom[stack + 1]!; i++) {
      const frame = this.stackFrames[i]!;
      depth += this.chainTo[frame]! - this.chainFrom[frame]!;
    }
    return depth;
  }

  /** Writes a stack's frames, root first, as indices into `frames`. @returns the place after them */
  write(stack: number, into: Uint32Array, at: number): number {
    for (let i = this.stackFrom[stack]!; i < this.stackFrom[stack + 1]!; i++) {
      const frame = this.stackFrames[i]!;
      for (let c = this.chainFrom[frame]!; c < this.chainTo[frame]!; c++) into[at++] = this.chain[c]!;
    }
    return at;
  }

  private compareFrames(a: number, b: number): number {
    const { stackFrom, stackFrames } = this;
    const [endA, endB] = [stackFrom[a + 1]!, stackFrom[b + 1]!];
    let [i, j] = [stackFrom[a]!, stackFrom[b]!];
    for (; i < endA && j < endB; i++, j++)
      if (stackFrames[i] !== stackFrames[j]) return stackFrames[i]! - stackFrames[j]!;
    return endA - i - (endB - j);
  }

  private frameRow(low: number, high: number): number {
    const row = this.frameIds.add(low, high);
    this.chainFrom = grown(this.chainFrom, row + 1);
    this.chainTo = grown(this.chainTo, row + 1);
    this.asked = grown(this.asked, row + 1);
    if (row >= this.final.length) {
      const final = new Uint8Array(this.final.length * 2);
      final.set(this.final);
      this.final = final;
    }
    return row;
  }
}

/** Two sorted columns as one. */
function merged(a: Uint32Array, b: Uint32Array, compare: (a: number, b: number) => number): Uint32Array<ArrayBuffer> {
  const all = new Uint32Array(a.length + b.length);
  let [i, j] = [0, 0];
  for (let at = 0; at < all.length; at++)
    all[at] = j === b.length || (i < a.length && compare(a[i]!, b[j]!) <= 0) ? a[i++]! : b[j++]!;
  return all;
}

function grown(column: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  if (length <= column.length) return column;
  const next = new Uint32Array(Math.max(column.length * 2, length));
  next.set(column);
  return next;
}
