import type { FlameGraph } from './flame-graph.ts';
import { FrameTable, type FrameColumns } from './frame-table.ts';
import { StackTable, type StackColumns } from './stack-table.ts';

/**
 * Stacks from a text grid: one column a stack, root on top, the last row the values; `.` is no frame.
 * A cell is `name`, `name:line`, `name@module`, or one with `*` behind it for an inlined frame.
 *
 *     main  main
 *     work  idle
 *     hot*  .
 *     3     1
 */
export function grid(text: string): { stacks: StackColumns; frames: FrameColumns } {
  const rows = text
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/\s+/));
  const values = rows.pop()!;
  const frames = new FrameTable();
  const stacks = new StackTable();
  values.forEach((value, column) => {
    const cells = rows.map((row) => row[column] ?? '.').filter((cell) => cell !== '.');
    stacks.add(
      cells.map((cell) => {
        const [, name, line, module, inlined] = /^([^:@*]+)(?::(\d+))?(?:@([^*]+))?(\*)?$/.exec(cell)!;
        return frames.add({
          name: name!,
          file: '',
          line: Number(line ?? 0),
          module: module ?? '',
          kind: 'native',
          inlined: inlined === '*',
        });
      }),
      Number(value),
    );
  });
  return { stacks: stacks.columns(), frames: frames.columns() };
}

/** One line a node, indented by depth: name, self/total, `*` when inlined. */
export function drawing(graph: FlameGraph): string[] {
  const depth: number[] = [];
  return Array.from(graph.parent, (parent, i) => {
    depth[i] = parent < 0 ? 0 : depth[parent]! + 1;
    const name = graph.strings[graph.name[i]!]!;
    return `${'  '.repeat(depth[i]!)}${name}${graph.inlined[i] ? '*' : ''} ${graph.self[i]}/${graph.total[i]}`;
  });
}
