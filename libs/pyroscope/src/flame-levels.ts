import type { NameTree } from './name-tree.ts';

/**
 * A flame graph as Pyroscope writes it, row by row: `names` and, a node, its numbers for each side and the index of its name.
 *
 *     one side:  [offset, total, self, name]
 *     two sides: [offset, total, self, offset, total, self, name]
 *
 * The offset is counted from the end of the node to the left in the same row; a node's own value stands left of its children.
 */
export interface FlameLevels {
  readonly names: string[];
  readonly levels: number[][];
  /** Sum over the sides. */
  readonly total: number;
  readonly maxSelf: number;
  /** Total of each side. */
  readonly ticks: readonly number[];
}

/** Stands for the nodes that had no place; its value keeps every total exact. */
const OTHER = 'other';

interface Entry {
  /** -1: the nodes below `parent` that had no place. */
  readonly node: number;
  readonly parent: number;
  readonly depth: number;
  /** By side, from the left edge. */
  readonly offsets: readonly number[];
}

/**
 * Children stand by name, `other` last.
 * @param maxNodes nodes that are kept, the largest (of the larger side); what is left out is an `other` under its parent
 */
export function flameLevels(tree: NameTree, maxNodes: number): FlameLevels {
  const totals = tree.totals();
  const kept = keep(totals, maxNodes);
  const { children, folded } = arrange(tree, totals, kept);
  const names = new Map<string, number>();
  const nameIndex = (name: string) => {
    let index = names.get(name);
    if (index === undefined) names.set(name, (index = names.size));
    return index;
  };
  const levels: number[][] = [];
  /** By level and side: where the row ends so far. */
  const ends: number[][] = [];
  let maxSelf = 0;
  // A stack of its own, since deep recursion must not exhaust the engine's.
  const open: Entry[] = [{ node: 0, parent: -1, depth: 0, offsets: totals.map(() => 0) }];
  for (let entry = open.pop(); entry; entry = open.pop()) {
    const { node, parent, depth, offsets } = entry;
    const row = (levels[depth] ??= []);
    const end = (ends[depth] ??= totals.map(() => 0));
    const total = node < 0 ? folded.get(parent)! : totals.map((side) => side[node]!);
    const self = node < 0 ? total : tree.self.map((side) => side[node]!);
    offsets.forEach((offset, side) => {
      row.push(offset - end[side]!, total[side]!, self[side]!);
      end[side] = offset + total[side]!;
      maxSelf = Math.max(maxSelf, self[side]!);
    });
    row.push(nameIndex(node < 0 ? OTHER : tree.name[node]!));
    if (node < 0) continue;
    const below: Entry[] = [];
    const at = offsets.map((offset, side) => offset + self[side]!);
    const add = (child: number, value: readonly number[]) => {
      below.push({ node: child, parent: node, depth: depth + 1, offsets: [...at] });
      value.forEach((more, side) => (at[side]! += more));
    };
    for (const child of children.get(node) ?? [])
      add(
        child,
        totals.map((side) => side[child]!),
      );
    const rest = folded.get(node);
    if (rest) add(-1, rest);
    open.push(...below.reverse());
  }
  const ticks = totals.map((side) => side[0]!);
  return { names: [...names.keys()], levels, total: ticks.reduce((a, b) => a + b, 0), maxSelf, ticks };
}

/** The `maxNodes` heaviest. A parent weighs at least what its child does and comes first among equals, so none is kept without it. */
function keep(totals: readonly number[][], maxNodes: number): Uint8Array {
  const size = totals[0]!.length;
  const weight = totals.length === 1 ? totals[0]! : totals[0]!.map((value, i) => Math.max(value, totals[1]![i]!));
  const kept = new Uint8Array(size);
  const order = Uint32Array.from({ length: size }, (_, i) => i);
  if (size > maxNodes) order.sort((a, b) => weight[b]! - weight[a]! || a - b);
  kept[0] = 1;
  for (const node of order.subarray(0, Math.max(1, maxNodes))) kept[node] = 1;
  // What weighs nothing has no width and no place.
  for (let i = 1; i < size; i++) if (weight[i] === 0) kept[i] = 0;
  return kept;
}

function arrange(tree: NameTree, totals: readonly number[][], kept: Uint8Array) {
  const children = new Map<number, number[]>();
  const folded = new Map<number, number[]>();
  for (let node = 1; node < tree.parent.length; node++) {
    const parent = tree.parent[node]!;
    if (kept[node]) {
      const list = children.get(parent);
      if (list) list.push(node);
      else children.set(parent, [node]);
    } else if (kept[parent] && totals.some((side) => side[node]! > 0)) {
      const sums = folded.get(parent) ?? totals.map(() => 0);
      totals.forEach((side, i) => (sums[i]! += side[node]!));
      folded.set(parent, sums);
    }
  }
  for (const list of children.values()) list.sort((a, b) => (tree.name[a]! < tree.name[b]! ? -1 : 1));
  return { children, folded };
}
