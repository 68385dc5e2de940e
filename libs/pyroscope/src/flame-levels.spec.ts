import type { FlameGraphColumns } from '@perfleet/api-contract';
import { describe, expect, it } from 'vitest';
import { flameLevels } from './flame-levels.ts';
import { NameTree } from './name-tree.ts';

/** `process;a;b 3`: stacks root first, the first frame the process. */
function graphOf(lines: readonly string[]): FlameGraphColumns {
  const strings = ['all', 'root', 'process', 'native'];
  const graph = {
    strings,
    parent: [-1],
    name: [0],
    file: [0],
    module: [0],
    kind: [1],
    inlined: [0],
    self: [0],
    total: [0],
  };
  for (const line of lines) {
    const [stack, count] = line.split(' ') as [string, string];
    let node = 0;
    graph.total[0]! += Number(count);
    stack.split(';').forEach((name, depth) => {
      let text = strings.indexOf(name);
      if (text < 0) text = strings.push(name) - 1;
      let child = graph.parent.findIndex((p, i) => p === node && graph.name[i] === text);
      if (child < 0) {
        child = graph.parent.push(node) - 1;
        graph.name.push(text);
        graph.kind.push(depth === 0 ? 2 : 3);
        for (const column of [graph.file, graph.module, graph.inlined, graph.self, graph.total]) column.push(0);
      }
      graph.total[child]! += Number(count);
      node = child;
    });
    graph.self[node]! += Number(count);
  }
  return graph;
}

/** Back to stacks, by the reader's rule: a node belongs to the one above whose span holds it. */
function stacksOf(names: readonly string[], levels: readonly number[][], side = 0, sides = 1): Record<string, number> {
  const width = 3 * sides + 1;
  const result: Record<string, number> = {};
  let above: Array<{ start: number; end: number; path: string }> = [{ start: 0, end: Infinity, path: '' }];
  for (const level of levels) {
    const row: typeof above = [];
    let end = 0;
    for (let i = 0; i < level.length; i += width) {
      const [offset, total, self] = level.slice(i + 3 * side, i + 3 * side + 3) as [number, number, number];
      const start = end + offset;
      end = start + total;
      // Nothing of it on this side: no width, and nothing below it.
      if (total === 0) continue;
      const parent = above.find((p) => start >= p.start && end <= p.end);
      if (!parent) throw new Error(`node at ${start} has no parent`);
      const path = `${parent.path};${names[level[i + width - 1]!]}`;
      row.push({ start, end, path });
      if (self > 0) result[path.slice(1)] = (result[path.slice(1)] ?? 0) + self;
    }
    above = row;
  }
  return result;
}

const example = ['p;main;work;deep 5', 'p;main;work 2', 'p;main;idle 3', 'q;main;work 10', 'q;boot 1', 'q 4'];

describe('flameLevels', () => {
  it('writes rows as Pyroscope does: offset, total, self, name', () => {
    const { names, levels, total, maxSelf } = flameLevels(new NameTree().add(graphOf(example)), 100);
    expect(names).toEqual(['total', 'boot', 'main', 'idle', 'work', 'deep']);
    expect(levels).toEqual([
      [0, 25, 4, 0],
      [4, 1, 1, 1, 0, 20, 0, 2],
      [5, 3, 3, 3, 0, 17, 12, 4],
      [20, 5, 5, 5],
    ]);
    expect([total, maxSelf]).toEqual([25, 12]);
  });

  it('gives every stack back', () => {
    const { names, levels } = flameLevels(new NameTree().add(graphOf(example)), 100);
    expect(stacksOf(names, levels)).toEqual({
      total: 4,
      'total;boot': 1,
      'total;main;idle': 3,
      'total;main;work': 12,
      'total;main;work;deep': 5,
    });
  });

  it.each([1, 2, 3, 4, 5])('with %i nodes folds the lightest into `other` and keeps the totals', (maxNodes) => {
    const { names, levels, total } = flameLevels(new NameTree().add(graphOf(example)), maxNodes);
    const own = levels.flatMap((l) => l.filter((_, i) => i % 4 === 3)).filter((name) => names[name] !== 'other');
    expect(own.length).toBe(maxNodes);
    const values = Object.values(stacksOf(names, levels)).reduce((a, b) => a + b, 0);
    expect([total, values]).toEqual([25, 25]);
  });

  it('answers one empty row for nothing', () => {
    expect(flameLevels(new NameTree(), 10)).toMatchObject({ names: ['total'], levels: [[0, 0, 0, 0]], total: 0 });
  });

  it('takes ten thousand frames of recursion', () => {
    const deep = `p;${Array.from({ length: 10_000 }, (_, i) => `f${i % 2}`).join(';')} 1`;
    const tree = new NameTree().add(graphOf([deep]));
    expect(flameLevels(tree, 20_000).levels).toHaveLength(10_001);
  });

  it('lays two sides beside each other', () => {
    const right = ['p;main;work 1', 'p;new 6'];
    const tree = new NameTree(2).add(graphOf(example), 0).add(graphOf(right), 1);
    const { names, levels, ticks, total } = flameLevels(tree, 100);
    expect(ticks).toEqual([25, 7]);
    expect(total).toBe(32);
    expect(levels.every((level) => level.length % 7 === 0)).toBe(true);
    expect(stacksOf(names, levels, 1, 2)).toEqual({ 'total;main;work': 1, 'total;new': 6 });
    expect(stacksOf(names, levels, 0, 2)).toMatchObject({ 'total;main;work;deep': 5, 'total;boot': 1 });
  });
});
