import type { TopResponse } from '@perfleet/api-contract';
import type { FrameColumns } from './frame-table.ts';
import { functionsOf } from './functions.ts';
import type { StackColumns } from './stack-table.ts';

export type TopFunction = TopResponse['functions'][number];

/** Functions by self value, then by total, then by name. A recursive one counts once a stack in its total. */
export function topFunctions(stacks: StackColumns, frames: FrameColumns, limit = Infinity): TopFunction[] {
  const functions = functionsOf(frames);
  const count = functions.frame.length;
  const self = new Float64Array(count);
  const total = new Float64Array(count);
  /** 1 + the last stack that a function was seen in. */
  const seen = new Uint32Array(count);
  for (let row = 0; row < stacks.values.length; row++) {
    const [start, end, value] = [stacks.offsets[row]!, stacks.offsets[row + 1]!, stacks.values[row]!];
    for (let i = start; i < end; i++) {
      const fn = functions.of[stacks.frames[i]!]!;
      if (seen[fn] !== row + 1) total[fn]! += value;
      seen[fn] = row + 1;
      if (i === end - 1) self[fn]! += value;
    }
  }
  const text = (column: Uint32Array, fn: number) => frames.strings[column[functions.frame[fn]!]!]!;
  const name = (fn: number) => text(frames.name, fn);
  return Array.from({ length: count }, (_, fn) => fn)
    .filter((fn) => seen[fn] !== 0)
    .sort((a, b) => self[b]! - self[a]! || total[b]! - total[a]! || (name(a) < name(b) ? -1 : 1))
    .slice(0, limit)
    .map((fn) => ({
      function: name(fn),
      file: text(frames.file, fn),
      module: text(frames.module, fn),
      kind: text(frames.kind, fn),
      self: self[fn]!,
      total: total[fn]!,
    }));
}
