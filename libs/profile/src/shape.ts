import type { MergeBy } from '@perfleet/api-contract';
import { FrameTable, namesOf, type Frame, type FrameColumns } from './frame-table.ts';
import type { StackColumns } from './stack-table.ts';

export interface Shape {
  /** Only stacks that hold such a function stay. Asked once a function. */
  readonly focus?: (name: string) => boolean;
  /** Stacks that hold such a function go. */
  readonly ignore?: (name: string) => boolean;
  /** Leaf first: what is below a function are its callers. */
  readonly invert?: boolean;
  /** What makes frames one; default function. */
  readonly mergeBy?: MergeBy;
  /** Kind of the frame before the functions, which is none and stays as it is. */
  readonly rootKind?: string;
}

/**
 * Stacks to look at in another way. No value is lost but that of the stacks that `focus` and `ignore` leave out, and none is counted
 * twice: frames that become one with the frame below them are one frame.
 */
export function shapeStacks(
  stacks: StackColumns,
  frames: FrameColumns,
  { focus, ignore, invert = false, mergeBy = 'function', rootKind }: Shape,
): { stacks: StackColumns; frames: FrameColumns } {
  if (!focus && !ignore && !invert && mergeBy === 'function') return { stacks, frames };
  const inFocus = focus && functionsThat(frames, focus, rootKind);
  const ignored = ignore && functionsThat(frames, ignore, rootKind);
  const merge = mergeBy === 'function' ? null : merger(frames, mergeBy, rootKind);
  const shaped = new Uint32Array(stacks.frames.length);
  const offsets = new Uint32Array(stacks.offsets.length);
  const values = new Float64Array(stacks.values.length);
  let rows = 0;
  let at = 0;
  for (let row = 0; row < stacks.values.length; row++) {
    const of = stacks.frames.subarray(stacks.offsets[row], stacks.offsets[row + 1]);
    if (inFocus && !of.some((frame) => inFocus[frames.function[frame]!] === 1)) continue;
    if (ignored && of.some((frame) => ignored[frames.function[frame]!] === 1)) continue;
    const start = at;
    for (const frame of of) {
      const next = merge ? merge.frame(frame) : frame;
      if (!merge || at === start || shaped[at - 1] !== next) shaped[at++] = next;
    }
    if (invert) shaped.subarray(start, at).reverse();
    values[rows++] = stacks.values[row]!;
    offsets[rows] = at;
  }
  return {
    stacks: { offsets: offsets.slice(0, rows + 1), frames: shaped.slice(0, at), values: values.slice(0, rows) },
    frames: merge ? merge.columns() : frames,
  };
}

/** 1 = a function with such a name. */
function functionsThat({ functions }: FrameColumns, matches: (name: string) => boolean, rootKind?: string): Uint8Array {
  const known = new Map<number, 0 | 1>();
  return Uint8Array.from(functions.name, (name, fn) => {
    if (functions.strings[functions.kind[fn]!] === rootKind) return 0;
    let matched = known.get(name);
    if (matched === undefined) known.set(name, (matched = matches(functions.strings[name]!) ? 1 : 0));
    return matched;
  });
}

/** Frames of a new table in place of those of the old one, made when they are met. */
function merger(frames: FrameColumns, by: Exclude<MergeBy, 'function'>, rootKind?: string) {
  const table = new FrameTable();
  const made = new Int32Array(frames.function.length).fill(-1);
  const mergedFrame = (frame: number): Frame => {
    const names = namesOf(frames.functions, frames.function[frame]!);
    const line = frames.line[frame]!;
    if (names.kind === rootKind) return { ...names, line, inlined: false };
    const { name, file, module, kind } = names;
    if (by === 'line')
      return { ...names, name: line === 0 ? name : `${name}:${line}`, line, inlined: frames.inlined[frame] === 1 };
    // Code without a file is told by its binary, and anonymous code by its name.
    const whole = by === 'file' ? { file, module: file === '' ? module : '' } : { file: '', module };
    return { ...whole, name: whole.file || whole.module || name, kind, line: 0, inlined: false };
  };
  return {
    frame(frame: number): number {
      if (made[frame] === -1) made[frame] = table.add(mergedFrame(frame));
      return made[frame]!;
    },
    columns: () => table.columns(),
  };
}
