import type { FlameGraphColumns } from '@perfleet/api-contract';
import { StringTable } from './frame-table.ts';

/** What the parts of a tree that were folded away are called. */
export const OTHER = '(other)';

/** Naming columns of FlameGraphColumns for one node. */
export interface NodeNames {
  readonly name: string;
  readonly file: string;
  readonly module: string;
  readonly kind: string;
}

export const ROOT: NodeNames = { name: 'all', file: '', module: '', kind: 'root' };
const FOLDED: NodeNames = { name: OTHER, file: '', module: '', kind: '' };

/**
 * A tree in the making: node 0 is the root, every node stands behind its parent. Functions are numbers that the caller
 * names; children of one parent are distinct by function. `values` hold one column a side (two in a diff).
 */
export class CallTree {
  readonly parent: number[] = [-1];
  readonly fn: number[] = [-1];
  /** 1 while every frame that was merged into the node was inlined. */
  readonly inlined: number[] = [0];
  readonly self: number[][];
  private readonly children = new Map<number, number>();

  /** @param functions number of distinct functions */
  constructor(
    private readonly functions: number,
    sides = 1,
  ) {
    this.self = Array.from({ length: sides }, () => [0]);
  }

  get length(): number {
    return this.parent.length;
  }

  child(parent: number, fn: number, inlined: number): number {
    // Exact: nodes × functions stays below 2^53 for any tree that fits in memory.
    const key = parent * this.functions + fn;
    const known = this.children.get(key);
    if (known !== undefined) {
      this.inlined[known]! &= inlined;
      return known;
    }
    const node = this.parent.push(parent) - 1;
    this.children.set(key, node);
    this.fn.push(fn);
    this.inlined.push(inlined);
    for (const side of this.self) side.push(0);
    return node;
  }

  totals(side: number): Float64Array {
    const totals = Float64Array.from(this.self[side]!);
    for (let node = this.length - 1; node > 0; node--) totals[this.parent[node]!]! += totals[node]!;
    return totals;
  }
}

/** A finished tree: naming columns plus self and total of each side. */
export interface LaidOut {
  readonly names: Omit<FlameGraphColumns, 'self' | 'total'>;
  readonly self: number[][];
  readonly total: number[][];
}

/**
 * Depth first, children by weight (the larger side's total) descending, then by name, file, module and kind; `(other)` last.
 * With more than `maxNodes` nodes (at least 2) the lightest ones are folded into an `(other)` under their parent, which takes
 * their whole value: every total stays exact.
 */
export function layOut(tree: CallTree, nameOf: (fn: number) => NodeNames, maxNodes = Infinity): LaidOut {
  const totals = tree.self.map((_, side) => tree.totals(side));
  const weight = totals.reduce((a, b) => a.map((value, i) => Math.max(value, b[i]!)));
  const byWeight = Uint32Array.from({ length: tree.length }, (_, i) => i);
  // A parent weighs at least what its child weighs and has the smaller number: it always stands first.
  byWeight.sort((a, b) => weight[b]! - weight[a]! || a - b);
  const kept = keep(tree, byWeight, maxNodes);

  const names = (node: number) => (node === 0 ? ROOT : nameOf(tree.fn[node]!));
  const children = new Map<number, number[]>();
  const folded = new Map<number, number[]>();
  for (const node of byWeight) {
    const parent = tree.parent[node]!;
    if (node === 0 || !kept[parent]) continue;
    const lists = kept[node] ? children : folded;
    const list = lists.get(parent);
    if (list) list.push(node);
    else lists.set(parent, [node]);
  }

  const strings = new StringTable();
  const columns = {
    parent: [] as number[],
    name: [] as number[],
    file: [] as number[],
    module: [] as number[],
    kind: [] as number[],
    inlined: [] as number[],
  };
  const self: number[][] = tree.self.map(() => []);
  const total: number[][] = tree.self.map(() => []);
  const push = (parent: number, n: NodeNames, inlined: number) => {
    columns.name.push(strings.add(n.name));
    columns.file.push(strings.add(n.file));
    columns.module.push(strings.add(n.module));
    columns.kind.push(strings.add(n.kind));
    columns.inlined.push(inlined);
    return columns.parent.push(parent) - 1;
  };
  // A stack of its own, since deep recursion must not exhaust the engine's; ~node marks the (other) of a node.
  const open: Array<readonly [node: number, parent: number]> = [[0, -1]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [node, parent] = next;
    if (node < 0) {
      push(parent, FOLDED, 0);
      totals.forEach((of, side) => {
        const sum = folded.get(~node)!.reduce((all, child) => all + of[child]!, 0);
        self[side]!.push(sum);
        total[side]!.push(sum);
      });
      continue;
    }
    const index = push(parent, names(node), tree.inlined[node]!);
    totals.forEach((of, side) => {
      self[side]!.push(tree.self[side]![node]!);
      total[side]!.push(of[node]!);
    });
    if (folded.has(node)) open.push([~node, index]);
    const below = children.get(node) ?? [];
    if (below.length > 1) below.sort((a, b) => weight[b]! - weight[a]! || compareNames(names(a), names(b)));
    for (let i = below.length - 1; i >= 0; i--) open.push([below[i]!, index]);
  }
  return { names: { strings: strings.all(), ...columns }, self, total };
}

/** 1 for each node that stays. The lightest go first, so what stays is a tree. */
function keep(tree: CallTree, byWeight: Uint32Array, maxNodes: number): Uint8Array {
  const kept = new Uint8Array(tree.length).fill(1);
  const hasOther = new Uint8Array(tree.length);
  let shown = tree.length;
  for (let i = byWeight.length - 1; i > 0 && shown > Math.max(maxNodes, 2); i--) {
    const node = byWeight[i]!;
    const parent = tree.parent[node]!;
    kept[node] = 0;
    shown -= 1 + hasOther[node]!;
    if (!hasOther[parent]) shown += hasOther[parent] = 1;
  }
  return kept;
}

function compareNames(a: NodeNames, b: NodeNames): number {
  for (const key of ['name', 'file', 'module', 'kind'] as const) if (a[key] !== b[key]) return a[key] < b[key] ? -1 : 1;
  return 0;
}
