import type { DiffBy, DiffResponse, FlameGraphColumns } from '@perfleet/api-contract';
import { CallTree } from './call-tree.ts';
import { FunctionTable, namesOf, type FrameColumns } from './frame-table.ts';
import { layOut } from './lay-out.ts';
import type { StackColumns } from './stack-table.ts';
import { functionValues, type TopOptions } from './top-functions.ts';

/** Both trees in one: `self` and `total` are the compared side, `baseSelf` and `baseTotal` the baseline. 0 where a side has no such node. */
export interface FlameGraphDiff extends FlameGraphColumns {
  readonly baseSelf: readonly number[];
  readonly baseTotal: readonly number[];
}

/**
 * Nodes with the same path of functions (name, file, module, kind) are one. Values are as they came: sides that cover
 * different times are compared by their shares of `total[0]` and `baseTotal[0]`.
 */
export function diffFlameGraphs(
  baseline: FlameGraphColumns,
  compared: FlameGraphColumns,
  options: { readonly maxNodes?: number } = {},
): FlameGraphDiff {
  const functions = new FunctionTable();
  const tree = new CallTree(2);
  [baseline, compared].forEach((graph, side) => {
    const nodes = new Uint32Array(graph.parent.length);
    const text = (column: readonly number[], i: number) => graph.strings[column[i]!]!;
    for (let i = 0; i < nodes.length; i++) {
      if (i > 0) {
        const fn = functions.add({
          name: text(graph.name, i),
          file: text(graph.file, i),
          module: text(graph.module, i),
          kind: text(graph.kind, i),
        });
        nodes[i] = tree.child(nodes[graph.parent[i]!]!, fn, graph.inlined[i]!);
      }
      tree.add(side, nodes[i]!, graph.self[i]!);
    }
  });
  const out = layOut(tree, functions.columns(), options.maxNodes);
  return {
    ...out.names,
    baseSelf: out.self[0]!,
    baseTotal: out.total[0]!,
    self: out.self[1]!,
    total: out.total[1]!,
  };
}

export type FunctionDiff = DiffResponse['functions'][number];

/**
 * Functions of both sides; the largest change comes first, then by name: of their share of the side's total, or of their value.
 * @param frames the table that both sides index
 */
export function diffFunctions(
  baseline: StackColumns,
  compared: StackColumns,
  frames: FrameColumns,
  { limit = Infinity, excludeKind, by = 'share' }: TopOptions & { readonly by?: DiffBy } = {},
): FunctionDiff[] {
  const [before, after] = [functionValues(baseline, frames), functionValues(compared, frames)];
  const sum = ({ values }: StackColumns) => (by === 'value' ? 1 : values.reduce((a, b) => a + b, 0) || 1);
  const [baseSum, comparedSum] = [sum(baseline), sum(compared)];
  const { functions } = frames;
  const change = Float64Array.from(after.total, (total, fn) =>
    Math.abs(total / comparedSum - before.total[fn]! / baseSum),
  );
  const shown: number[] = [];
  for (let fn = 0; fn < change.length; fn++) {
    if (!before.seen[fn] && !after.seen[fn]) continue;
    if (excludeKind === undefined || functions.strings[functions.kind[fn]!] !== excludeKind) shown.push(fn);
  }
  const name = (fn: number) => functions.strings[functions.name[fn]!]!;
  return shown
    .sort((a, b) => change[b]! - change[a]! || (name(a) < name(b) ? -1 : 1))
    .slice(0, limit)
    .map((fn) => {
      const { name: fnName, ...names } = namesOf(functions, fn);
      return {
        function: fnName,
        ...names,
        base: { self: before.self[fn]!, total: before.total[fn]! },
        self: after.self[fn]!,
        total: after.total[fn]!,
      };
    });
}
