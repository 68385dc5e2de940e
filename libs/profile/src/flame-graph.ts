import type { FlameGraphColumns } from '@perfleet/api-contract';
import { CallTree, layOut, type NodeNames } from './call-tree.ts';
import type { FrameColumns } from './frame-table.ts';
import { functionsOf } from './functions.ts';
import type { StackColumns } from './stack-table.ts';

export interface FlameGraphOptions {
  /** Upper bound of the answer's nodes, at least 2; the lightest nodes are folded into `(other)`. */
  readonly maxNodes?: number;
}

/**
 * Frames of one function (name, file, module, kind) below one parent are one node, whatever their lines.
 * Node 0 is `all`; children stand by total descending, then by name. A node is inlined when all its frames are.
 */
export function buildFlameGraph(
  stacks: StackColumns,
  frames: FrameColumns,
  options: FlameGraphOptions = {},
): FlameGraphColumns {
  const functions = functionsOf(frames);
  const tree = new CallTree(Math.max(1, functions.frame.length));
  const self = tree.self[0]!;
  for (let row = 0; row < stacks.values.length; row++) {
    let node = 0;
    for (let i = stacks.offsets[row]!; i < stacks.offsets[row + 1]!; i++) {
      const frame = stacks.frames[i]!;
      node = tree.child(node, functions.of[frame]!, frames.inlined[frame]!);
    }
    self[node]! += stacks.values[row]!;
  }
  const out = layOut(tree, (fn) => namesOf(frames, functions.frame[fn]!), options.maxNodes);
  return { ...out.names, self: out.self[0]!, total: out.total[0]! };
}

function namesOf(frames: FrameColumns, frame: number): NodeNames {
  const text = (column: Uint32Array) => frames.strings[column[frame]!]!;
  return { name: text(frames.name), file: text(frames.file), module: text(frames.module), kind: text(frames.kind) };
}
