import { RowBinaryBlock } from '@perfleet/clickhouse';
import type { FrameRow, LinkedRow, SampleRow, SeriesRow, StackRow } from './rows.ts';

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

/** Rows of one second, series, stack and link are added up; they stand in the order of their first. */
export function encodeSamples(rows: Iterable<SampleRow | LinkedRow>): RowBinaryBlock {
  const linkOf = (row: SampleRow | LinkedRow) => ('traceId' in row ? row.traceId + row.spanId : '');
  const sums = new Map<string, SampleRow | LinkedRow>();
  for (const row of rows) {
    const key = `${row.time} ${row.series} ${row.stack} ${linkOf(row)}`;
    sums.set(key, { ...row, value: (sums.get(key)?.value ?? 0) + row.value });
  }
  const block = new RowBinaryBlock();
  for (const row of sums.values()) {
    block.dateTime(row.time).u64(row.workload).u64(row.series).u64(row.stack);
    for (const byte of Buffer.from(linkOf(row), 'hex')) block.u8(byte);
    block.u64(BigInt.asUintN(64, BigInt(Math.round(row.value)))).row();
  }
  return block;
}
