import { CallTree } from './call-tree.ts';
import type { FrameColumns } from './frame-table.ts';
import { growUint32 } from './grow.ts';
import { layOut } from './lay-out.ts';
import type { StackColumns } from './stack-table.ts';

/**
 * Nodes as columns in depth-first order, `FlameGraphColumns` of the API in typed arrays: node 0 is the root, whose parent is -1;
 * `name`, `file`, `module` and `kind` index `strings`; `inlined` is 1 or 0.
 */
export interface FlameGraph {
  readonly strings: readonly string[];
  readonly parent: Int32Array;
  readonly name: Int32Array;
  readonly file: Int32Array;
  readonly module: Int32Array;
  readonly kind: Int32Array;
  readonly inlined: Int32Array;
  readonly self: Float64Array;
  readonly total: Float64Array;
}

export interface FlameGraphOptions {
  /** Upper bound of the answer's nodes, at least 2; the lightest nodes are folded into `(other)`. */
  readonly maxNodes?: number;
  /** Rows of the stacks, each once, in another order than they stand: where neighbours share callers, these are looked up once. */
  readonly order?: Uint32Array;
}

/**
 * Frames of one function (name, file, module, kind) below one parent are one node, whatever their lines.
 * Node 0 is `all`; children stand by total descending, then by name. A node is inlined when all its frames are.
 */
export function buildFlameGraph(
  stacks: StackColumns,
  frames: FrameColumns,
  options: FlameGraphOptions = {},
): FlameGraph {
  // Some half of all frames are of callers that another stack has too.
  const tree = new CallTree(stacks.frames.length >> 1);
  /** Nodes of the stack before, by depth. */
  let path = new Uint32Array(64);
  let before = 0;
  let beforeEnd = 0;
  for (let i = 0; i < stacks.values.length; i++) {
    const row = options.order ? options.order[i]! : i;
    const [start, end] = [stacks.offsets[row]!, stacks.offsets[row + 1]!];
    path = growUint32(path, end - start);
    let at = start;
    while (at < end && before < beforeEnd && stacks.frames[at] === stacks.frames[before]) {
      at++;
      before++;
    }
    let node = at === start ? 0 : path[at - start - 1]!;
    for (; at < end; at++) {
      const frame = stacks.frames[at]!;
      node = path[at - start] = tree.child(node, frames.function[frame]!, frames.inlined[frame]!);
    }
    tree.add(node, stacks.values[row]!);
    before = start;
    beforeEnd = end;
  }
  return layOut(tree, frames.functions, options.maxNodes);
}
