import { RowBinaryBlock } from '@perfleet/clickhouse';
import type { FrameRow, SampleRow, SeriesRow, StackRow } from './rows.ts';

/** @param seen Unix seconds */
export function encodeSeries(rows: Iterable<SeriesRow>, seen: number): RowBinaryBlock {
  const block = new RowBinaryBlock();
  for (const r of rows) {
    block.u64(r.id).u64(r.workload).str(r.cluster).str(r.node).str(r.namespace).str(r.pod).str(r.podUid);
    block.str(r.container).str(r.containerId).str(r.service).str(r.process).str(r.type).str(r.unit);
    block.u64(BigInt(r.period)).map(r.labels, (w, value) => w.str(value));
    block.dateTime(seen).row();
  }
  return block;
}

/** @param term first day (since 1970) of the term in which they are seen */
export function encodeStacks(rows: Iterable<StackRow>, term: number): RowBinaryBlock {
  const block = new RowBinaryBlock();
  for (const r of rows)
    block
      .u64(r.id)
      .array(r.frames, (w, id) => w.u64(id))
      .u16(term)
      .row();
  return block;
}

/** @param term as of stacks */
export function encodeFrames(rows: Iterable<FrameRow>, term: number): RowBinaryBlock {
  const block = new RowBinaryBlock();
  for (const r of rows) {
    block.u64(r.id).str(r.kind).str(r.binaryId).u64(r.address);
    block.str(r.function).str(r.file).u32(r.line).str(r.mapping).u16(term).row();
  }
  return block;
}

/** Rows of one second, series and stack are added up; they stand in the order of their first. */
export function encodeSamples(rows: Iterable<SampleRow>): RowBinaryBlock {
  const sums = new Map<string, SampleRow>();
  for (const row of rows) {
    const key = `${row.time} ${row.series} ${row.stack}`;
    sums.set(key, { ...row, value: (sums.get(key)?.value ?? 0) + row.value });
  }
  const block = new RowBinaryBlock();
  for (const { time, workload, series, stack, value } of sums.values())
    block
      .dateTime(time)
      .u64(workload)
      .u64(series)
      .u64(stack)
      .u64(BigInt.asUintN(64, BigInt(Math.round(value))))
      .row();
  return block;
}
