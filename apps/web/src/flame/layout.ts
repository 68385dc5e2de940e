import type { FlameGraphColumns } from '@perfleet/api-contract';

/**
 * A flame graph laid out once per answer, as struct of arrays over its nodes in depth-first order.
 *
 *   start[i] .. start[i] + total[i]   the node's extent on the value axis, in the profile's unit; the root begins at 0
 *   depth[i]                          0 for the root
 *   end[i]                            index after the node's last descendant: its subtree is i .. end[i]
 */
export interface FlameLayout {
  readonly length: number;
  readonly strings: readonly string[];
  readonly parent: Int32Array;
  readonly depth: Uint16Array;
  readonly start: Float64Array;
  readonly total: Float64Array;
  readonly self: Float64Array;
  readonly end: Int32Array;
  readonly name: Int32Array;
  readonly file: Int32Array;
  readonly module: Int32Array;
  readonly kind: Int32Array;
  readonly inlined: Uint8Array;
  readonly maxDepth: number;
}

export function layoutFlameGraph(graph: FlameGraphColumns): FlameLayout {
  const length = graph.parent.length;
  const parent = Int32Array.from(graph.parent);
  const total = Float64Array.from(graph.total);
  const depth = new Uint16Array(length);
  const start = new Float64Array(length);
  const cursor = new Float64Array(length);
  const end = new Int32Array(length);
  let maxDepth = 0;
  for (let i = 1; i < length; i++) {
    const p = parent[i]!;
    depth[i] = depth[p]! + 1;
    if (depth[i]! > maxDepth) maxDepth = depth[i]!;
    start[i] = cursor[p]!;
    cursor[p]! += total[i]!;
    cursor[i] = start[i]!;
  }
  for (let i = length - 1; i >= 0; i--) {
    if (end[i] === 0) end[i] = i + 1;
    const p = parent[i]!;
    if (i > 0 && end[p]! < end[i]!) end[p] = end[i]!;
  }
  return {
    length,
    strings: graph.strings,
    parent,
    depth,
    start,
    total,
    self: Float64Array.from(graph.self),
    end,
    name: Int32Array.from(graph.name),
    file: Int32Array.from(graph.file),
    module: Int32Array.from(graph.module),
    kind: Int32Array.from(graph.kind),
    inlined: Uint8Array.from(graph.inlined),
    maxDepth,
  };
}

/** Node whose row is `depth` and whose extent holds `value`, or -1. */
export function nodeAt(layout: FlameLayout, depth: number, value: number): number {
  let i = 0;
  if (layout.length === 0 || value < 0 || value >= layout.total[0]!) return -1;
  while (layout.depth[i]! < depth) {
    let child = i + 1;
    const stop = layout.end[i]!;
    while (child < stop && value >= layout.start[child]! + layout.total[child]!) child = layout.end[child]!;
    if (child >= stop || value < layout.start[child]!) return -1;
    i = child;
  }
  return i;
}

/** Function names from the root's child down to the node. */
export function pathOf(layout: FlameLayout, node: number): string[] {
  const path: string[] = [];
  for (let i = node; i > 0; i = layout.parent[i]!) path.push(layout.strings[layout.name[i]!]!);
  return path.reverse();
}

/** The node that `path` leads to in another answer, or as deep as it goes: a zoom survives a refresh. */
export function findPath(layout: FlameLayout, path: readonly string[]): number {
  let node = 0;
  for (const name of path) {
    let child = node + 1;
    const stop = layout.end[node]!;
    while (child < stop && layout.strings[layout.name[child]!] !== name) child = layout.end[child]!;
    if (child >= stop) break;
    node = child;
  }
  return node;
}
