/**
 * One node of ClickHouse's parsed form, from a line of `EXPLAIN AST`:
 *
 *   "  Function sum (alias s) (children 1)"   ->  depth 2, type Function, name "sum", children 1
 *
 * The name ends at the first " (": a quoted identifier that contains it is cut, which names nothing that exists.
 * A line break inside a quoted identifier makes a line of its own, which can only add nodes, never hide one.
 */
export interface AstNode {
  readonly depth: number;
  readonly type: string;
  readonly name: string;
  readonly children: number;
  /** Index of the parent in the list; -1 for the root. */
  readonly parent: number;
}

/** @returns nodes in the order of the lines: a parent stands before its children */
export function parseAst(lines: readonly string[]): AstNode[] {
  const nodes: AstNode[] = [];
  const open: number[] = [];
  for (const line of lines.flatMap((l) => l.split('\n'))) {
    const depth = line.length - line.trimStart().length;
    const [type = '', ...rest] = line.trimStart().split(' ');
    const name = (rest.join(' ').split(' (')[0] ?? '').trim();
    open.length = Math.min(open.length, depth);
    nodes.push({
      depth,
      type,
      name: name.startsWith('(') ? '' : name,
      children: Number(/\(children (\d+)\)$/.exec(line)?.[1] ?? 0),
      parent: open.at(-1) ?? -1,
    });
    open.push(nodes.length - 1);
  }
  return nodes;
}
