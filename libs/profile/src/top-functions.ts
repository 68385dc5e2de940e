import type { TopResponse } from '@perfleet/api-contract';
import { namesOf, type FrameColumns } from './frame-table.ts';
import type { StackColumns } from './stack-table.ts';

export type TopFunction = TopResponse['functions'][number];

export interface TopOptions {
  readonly limit?: number;
  /** Frames of this kind are no functions, e.g. `process`; they are left out of the list. */
  readonly excludeKind?: string;
}

/** Values by function index. */
export interface FunctionValues {
  readonly self: Float64Array;
  /** A recursive function counts once a stack. */
  readonly total: Float64Array;
  /** Not 0 where some stack has the function, whatever its value. */
  readonly seen: Uint32Array;
}

export function functionValues(stacks: StackColumns, frames: FrameColumns): FunctionValues {
  const count = frames.functions.name.length;
  const self = new Float64Array(count);
  const total = new Float64Array(count);
  /** 1 + the last stack that a function was seen in. */
  const seen = new Uint32Array(count);
  for (let row = 0; row < stacks.values.length; row++) {
    const [start, end, value] = [stacks.offsets[row]!, stacks.offsets[row + 1]!, stacks.values[row]!];
    let fn = -1;
    for (let i = start; i < end; i++) {
      fn = frames.function[stacks.frames[i]!]!;
      if (seen[fn] === row + 1) continue;
      seen[fn] = row + 1;
      total[fn]! += value;
    }
    if (fn >= 0) self[fn]! += value;
  }
  return { self, total, seen };
}

/** Functions by self value, then by total, then by name. */
export function topFunctions(stacks: StackColumns, frames: FrameColumns, options: TopOptions = {}): TopFunction[] {
  const { self, total, seen } = functionValues(stacks, frames);
  const { functions } = frames;
  const shown: number[] = [];
  for (let fn = 0; fn < seen.length; fn++) {
    const excluded = functions.strings[functions.kind[fn]!] === options.excludeKind;
    if (seen[fn] !== 0 && !(options.excludeKind !== undefined && excluded)) shown.push(fn);
  }
  const name = (fn: number) => functions.strings[functions.name[fn]!]!;
  return shown
    .sort((a, b) => self[b]! - self[a]! || total[b]! - total[a]! || (name(a) < name(b) ? -1 : 1))
    .slice(0, options.limit ?? Infinity)
    .map((fn) => {
      const { name: fnName, ...names } = namesOf(functions, fn);
      return { function: fnName, ...names, self: self[fn]!, total: total[fn]! };
    });
}
