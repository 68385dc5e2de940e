import type { FrameColumns } from './frame-table.ts';

/** Frames grouped into functions: same name, file, module and kind, whatever the line. */
export interface FunctionIndex {
  /** Per frame: its function. */
  readonly of: Uint32Array;
  /** Per function: the first frame that is in it. */
  readonly frame: Uint32Array;
}

export function functionsOf(frames: FrameColumns): FunctionIndex {
  const index = new Map<string, number>();
  const first: number[] = [];
  const of = new Uint32Array(frames.name.length);
  for (let i = 0; i < of.length; i++) {
    const key = `${frames.name[i]} ${frames.file[i]} ${frames.module[i]} ${frames.kind[i]}`;
    let fn = index.get(key);
    if (fn === undefined) {
      index.set(key, (fn = first.length));
      first.push(i);
    }
    of[i] = fn;
  }
  return { of, frame: Uint32Array.from(first) };
}
