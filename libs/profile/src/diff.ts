import type { FlameGraphColumns } from '@perfleet/api-contract';
import { CallTree, layOut, type NodeNames } from './call-tree.ts';

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
  const functions = new Map<string, number>();
  const names: NodeNames[] = [];
  const tree = new CallTree(baseline.parent.length + compared.parent.length, 2);
  [baseline, compared].forEach((graph, side) => {
    const nodes = new Uint32Array(graph.parent.length);
    const self = tree.self[side]!;
    for (let i = 0; i < nodes.length; i++) {
      if (i > 0) {
        const text = (column: readonly number[]) => graph.strings[column[i]!]!;
        const n = {
          name: text(graph.name),
          file: text(graph.file),
          module: text(graph.module),
          kind: text(graph.kind),
        };
        const key = `${n.name}\0${n.file}\0${n.module}\0${n.kind}`;
        let fn = functions.get(key);
        if (fn === undefined) {
          functions.set(key, (fn = names.length));
          names.push(n);
        }
        nodes[i] = tree.child(nodes[graph.parent[i]!]!, fn, graph.inlined[i]!);
      }
      self[nodes[i]!]! += graph.self[i]!;
    }
  });
  const out = layOut(tree, (fn) => names[fn]!, options.maxNodes);
  return {
    ...out.names,
    baseSelf: out.self[0]!,
    baseTotal: out.total[0]!,
    self: out.self[1]!,
    total: out.total[1]!,
  };
}
