import { RowBinaryBlock } from '@perfleet/clickhouse';
import type { FrameRow, SampleRows, SeriesRow, StackRow } from './rows.ts';

/** @param seen Unix seconds */
export function encodeSeries(rows: Iterable<SeriesRow>, seen: number): RowBinaryBlock {
  const block = new RowBinaryBlock();
  for (const r of rows) {
    block.u64(r.id).str(r.cluster).str(r.node).str(r.namespace).str(r.pod).str(r.podUid);
    block.str(r.container).str(r.containerId).str(r.service).str(r.process).str(r.type).str(r.unit);
    block
      .u64(BigInt(Math.trunc(r.period)))
      .map(r.labels, (w, value) => w.str(value))
      .dateTime(seen)
      .row();
  }
  return block;
}

export function encodeStacks(rows: Iterable<StackRow>): RowBinaryBlock {
  const block = new RowBinaryBlock();
  for (const r of rows) block.u64(r.id).u64Array(r.frames).row();
  return block;
}

export function encodeFrames(rows: Iterable<FrameRow>): RowBinaryBlock {
  const block = new RowBinaryBlock();
  for (const r of rows) {
    block
      .u64(r.id)
      .str(r.kind)
      .str(r.binaryId)
      .u64(r.address)
      .str(r.function)
      .str(r.file)
      .u32(r.line)
      .str(r.mapping)
      .row();
  }
  return block;
}

/** Rows of one second, series and stack are added up; they stand in the order of their first. */
export function encodeSamples(parts: Iterable<SampleRows>): RowBinaryBlock {
  const all = [...parts];
  const sums = new SampleSums(all.reduce((n, part) => n + part.length, 0));
  for (const part of all) for (let i = 0; i < part.length; i++) sums.add(part, i);
  return sums.encode();
}

/** Rows of 28 bytes as RowBinary has them (time, series, stack, value), found by an open-addressed table over their keys. */
class SampleSums {
  private readonly keys: Uint32Array;
  private readonly values: Float64Array;
  /** 1 + the row; 0 = free. A power of two, at most half full. */
  private readonly slots: Int32Array;
  private length = 0;

  constructor(rows: number) {
    this.keys = new Uint32Array(rows * 5);
    this.values = new Float64Array(rows);
    this.slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2, rows * 2))));
  }

  add({ time, series, stack, value }: SampleRows, i: number): void {
    const { keys, slots } = this;
    const [t, a, b, c, d] = [time[i]!, series[i * 2]!, series[i * 2 + 1]!, stack[i * 2]!, stack[i * 2 + 1]!];
    const mask = slots.length - 1;
    // Both ids are hashes: their low halves spread by themselves.
    let slot = (a ^ c ^ Math.imul(t, 0x9e3779b1)) & mask;
    for (let row = slots[slot]! - 1; row >= 0; row = slots[slot]! - 1) {
      const k = row * 5;
      if (keys[k] === t && keys[k + 1] === a && keys[k + 2] === b && keys[k + 3] === c && keys[k + 4] === d) {
        this.values[row]! += value[i]!;
        return;
      }
      slot = (slot + 1) & mask;
    }
    const row = this.length++;
    slots[slot] = row + 1;
    const k = row * 5;
    keys[k] = t;
    keys[k + 1] = a;
    keys[k + 2] = b;
    keys[k + 3] = c;
    keys[k + 4] = d;
    this.values[row] = value[i]!;
  }

  encode(): RowBinaryBlock {
    const words = new Uint32Array(this.length * 7);
    for (let row = 0; row < this.length; row++) {
      const value = Math.round(this.values[row]!);
      words.set(this.keys.subarray(row * 5, row * 5 + 5), row * 7);
      words[row * 7 + 5] = value % 2 ** 32;
      words[row * 7 + 6] = Math.floor(value / 2 ** 32);
    }
    const block = new RowBinaryBlock(words.byteLength);
    block.raw(new Uint8Array(words.buffer), this.length);
    return block;
  }
}
