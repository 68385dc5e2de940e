import type { FlameGraphColumns } from '@perfleet/api-contract';
import { CallTree } from './call-tree.ts';
import type { FrameColumns } from './frame-table.ts';
import { layOut } from './lay-out.ts';
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
  const tree = new CallTree();
  for (let row = 0; row < stacks.values.length; row++) {
    let node = 0;
    const end = stacks.offsets[row + 1]!;
    for (let i = stacks.offsets[row]!; i < end; i++) {
      const frame = stacks.frames[i]!;
      node = tree.child(node, frames.function[frame]!, frames.inlined[frame]!);
    }
    tree.add(0, node, stacks.values[row]!);
  }
  const out = layOut(tree, frames.functions, options.maxNodes);
  return { ...out.names, self: out.self[0]!, total: out.total[0]! };
}
