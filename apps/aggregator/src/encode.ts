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
      .map([], () => undefined)
      .dateTime(seen)
      .row();
  }
  return block;
}

export function encodeStacks(rows: Iterable<StackRow>): RowBinaryBlock {
  const block = new RowBinaryBlock();
  for (const r of rows)
    block
      .u64(r.id)
      .array(r.frames, (w, frame) => w.u64(frame))
      .row();
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

/** Rows of one second, series and stack are added up. */
export function encodeSamples(parts: Iterable<SampleRows>): RowBinaryBlock {
  const sums = new Map<bigint, Map<number, Map<bigint, number>>>();
  for (const part of parts) {
    for (let i = 0; i < part.time.length; i++) {
      const times = entry(sums, part.series[i]!, () => new Map<number, Map<bigint, number>>());
      const stacks = entry(times, part.time[i]!, () => new Map<bigint, number>());
      stacks.set(part.stack[i]!, (stacks.get(part.stack[i]!) ?? 0) + part.value[i]!);
    }
  }
  const block = new RowBinaryBlock(1 << 16);
  for (const [series, times] of sums)
    for (const [time, stacks] of times)
      for (const [stack, value] of stacks)
        block
          .dateTime(time)
          .u64(series)
          .u64(stack)
          .u64(BigInt(Math.round(value)))
          .row();
  return block;
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
