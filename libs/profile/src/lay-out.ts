import type { CallTree } from './call-tree.ts';
import type { FlameGraph } from './flame-graph.ts';
import { StringTable, type FunctionColumns } from './frame-table.ts';
import { nthSmallest } from './nth-smallest.ts';

/** What the parts of a tree that were folded away are called. */
export const OTHER = '(other)';

const ROOT = { name: 'all', kind: 'root' } as const;

/**
 * Depth first, children by total descending, then by name, file, module and kind; `(other)` last.
 * With more than `maxNodes` nodes (at least 2) the lightest ones are folded into an `(other)` under their parent, which takes
 * their whole value: every total stays exact.
 */
export function layOut(tree: CallTree, functions: FunctionColumns, maxNodes = Infinity): FlameGraph {
  const totals = tree.totals();
  const kept = keep(tree, totals, Math.max(maxNodes, 2));
  const children = sortedChildren(tree, functions, totals, kept);
  const folded = foldedTotals(tree, totals, kept);
  const size = children.nodes.length + 1 + folded.count;

  const strings = new Renumbered(functions.strings);
  const other = strings.own(OTHER);
  const column = () => new Int32Array(size);
  const out = { parent: column(), name: column(), file: column(), module: column(), kind: column(), inlined: column() };
  const self = new Float64Array(size);
  const total = new Float64Array(size);
  // A stack of its own, since deep recursion must not exhaust the engine's; ~node marks the (other) of a node.
  const nodes = [0];
  const parents = [-1];
  for (let at = 0; nodes.length > 0; at++) {
    const node = nodes.pop()!;
    out.parent[at] = parents.pop()!;
    if (node < 0) {
      out.name[at] = other;
      self[at] = total[at] = folded.sums[~node]!;
      continue;
    }
    if (node === 0) {
      out.name[at] = strings.own(ROOT.name);
      out.kind[at] = strings.own(ROOT.kind);
    } else {
      const fn = tree.fn[node]!;
      out.name[at] = strings.of(functions.name[fn]!);
      out.file[at] = strings.of(functions.file[fn]!);
      out.module[at] = strings.of(functions.module[fn]!);
      out.kind[at] = strings.of(functions.kind[fn]!);
      out.inlined[at] = tree.inlined[node]!;
    }
    self[at] = tree.self[node]!;
    total[at] = totals[node]!;
    if (folded.has[node]) {
      nodes.push(~node);
      parents.push(at);
    }
    for (let i = children.offsets[node + 1]! - 1; i >= children.offsets[node]!; i--) {
      nodes.push(children.nodes[i]!);
      parents.push(at);
    }
  }
  return { strings: strings.all(), ...out, self, total };
}

/** 1 for each node that stays. The lightest go first and of equal ones the later, so what stays is a tree. */
function keep(tree: CallTree, weight: Float64Array, maxNodes: number): Uint8Array {
  const kept = new Uint8Array(tree.length).fill(1);
  if (tree.length <= maxNodes) return kept;
  const hasOther = new Uint8Array(tree.length);
  let shown = tree.length;
  const fold = (node: number) => {
    const parent = tree.parent[node]!;
    kept[node] = 0;
    shown -= 1 + hasOther[node]!;
    if (!hasOther[parent]) shown += hasOther[parent] = 1;
  };
  // What is lighter than the heaviest `maxNodes` goes in any case, without an order; children stand behind their parents.
  const bound = nthSmallest(weight.slice(), tree.length - maxNodes);
  for (let node = tree.length - 1; node > 0; node--) if (weight[node]! < bound) fold(node);
  const rest: number[] = [];
  for (let node = 1; node < tree.length; node++) if (kept[node]) rest.push(node);
  rest.sort((a, b) => weight[a]! - weight[b]! || b - a);
  for (let i = 0; i < rest.length && shown > maxNodes; i++) fold(rest[i]!);
  return kept;
}

/** Kept children of each node: those of `i` are `nodes[offsets[i] .. offsets[i + 1])`, heaviest first. */
function sortedChildren(tree: CallTree, functions: FunctionColumns, weight: Float64Array, kept: Uint8Array) {
  const offsets = new Uint32Array(tree.length + 1);
  for (let node = 1; node < tree.length; node++) if (kept[node]) offsets[tree.parent[node]! + 1]!++;
  for (let node = 0; node < tree.length; node++) offsets[node + 1]! += offsets[node]!;
  const cursor = offsets.slice();
  const nodes = new Uint32Array(offsets[tree.length]!);
  for (let node = 1; node < tree.length; node++) if (kept[node]) nodes[cursor[tree.parent[node]!]!++] = node;
  const compare = (a: number, b: number) =>
    weight[b]! - weight[a]! || compareNames(functions, tree.fn[a]!, tree.fn[b]!);
  for (let node = 0; node < tree.length; node++) {
    const [from, to] = [offsets[node]!, offsets[node + 1]!];
    if (to - from < 2) continue;
    if (to - from > 8) nodes.subarray(from, to).sort(compare);
    else insertionSort(nodes, from, to, compare);
  }
  return { offsets, nodes };
}

/** Most nodes have few children: that is cheaper than a call of the engine's sort. */
function insertionSort(nodes: Uint32Array, from: number, to: number, compare: (a: number, b: number) => number): void {
  for (let i = from + 1; i < to; i++) {
    const node = nodes[i]!;
    let at = i;
    for (; at > from && compare(nodes[at - 1]!, node) > 0; at--) nodes[at] = nodes[at - 1]!;
    nodes[at] = node;
  }
}

/** What went from below each kept node; `has` is 1 where there is any, `count` is their number. */
function foldedTotals(tree: CallTree, totals: Float64Array, kept: Uint8Array) {
  const has = new Uint8Array(tree.length);
  const sums = new Float64Array(tree.length);
  let count = 0;
  for (let node = 1; node < tree.length; node++) {
    const parent = tree.parent[node]!;
    if (kept[node] || !kept[parent]) continue;
    if (!has[parent]) count += has[parent] = 1;
    sums[parent]! += totals[node]!;
  }
  return { has, sums, count };
}

/** The strings that an answer uses, out of a table that may hold many more. */
class Renumbered {
  private readonly table = new StringTable();
  private readonly numbers: Int32Array;

  constructor(private readonly strings: readonly string[]) {
    this.numbers = new Int32Array(strings.length).fill(-1);
  }

  of(index: number): number {
    const known = this.numbers[index]!;
    return known >= 0 ? known : (this.numbers[index] = this.table.add(this.strings[index]!));
  }

  own(text: string): number {
    return this.table.add(text);
  }

  all(): string[] {
    return this.table.all();
  }
}

function compareNames(functions: FunctionColumns, a: number, b: number): number {
  for (const key of ['name', 'file', 'module', 'kind'] as const) {
    if (functions[key][a] === functions[key][b]) continue;
    return functions.strings[functions[key][a]!]! < functions.strings[functions[key][b]!]! ? -1 : 1;
  }
  return 0;
}
