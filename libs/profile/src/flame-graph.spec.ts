import { describe, expect, it } from 'vitest';
import { diffFunctions } from './diff.ts';
import { buildFlameGraph } from './flame-graph.ts';
import { FrameTable } from './frame-table.ts';
import { drawing, grid } from './grid.fixture.ts';
import { StackTable } from './stack-table.ts';
import { topFunctions } from './top-functions.ts';

const build = (text: string, maxNodes?: number) => {
  const { stacks, frames } = grid(text);
  return buildFlameGraph(stacks, frames, maxNodes === undefined ? {} : { maxNodes });
};

describe('buildFlameGraph', () => {
  it('merges common callers, heavier children first, equal ones by name', () => {
    const graph = build(`
      main  main  main  main
      b     a     c     b
      .     .     hot*  .
      2     2     5     1`);
    expect(drawing(graph)).toEqual([
      'all 0/10',
      '  main 0/10',
      '    c 0/5',
      '      hot* 5/5',
      '    b 3/3',
      '    a 2/2',
    ]);
    expect(graph.strings[graph.kind[1]!]).toBe('native');
  });

  it('merges lines of one function but not functions of two modules', () => {
    const graph = build(`
      main  main  main
      f:1@x f:2@x f:1@y
      1     2     4`);
    expect(drawing(graph)).toEqual(['all 0/7', '  main 0/7', '    f 4/4', '    f 3/3']);
    expect(Array.from(graph.module, (m) => graph.strings[m])).toEqual(['', '', 'y', 'x']);
  });

  it('keeps recursion as depth and a stack without frames at the root', () => {
    const { frames } = grid('f\n1');
    const table = new StackTable();
    table.add([], 2);
    table.add([0, 0, 0], 1);
    expect(drawing(buildFlameGraph(table.columns(), frames))).toEqual([
      'all 2/3',
      '  f 0/1',
      '    f 0/1',
      '      f 1/1',
    ]);
  });

  it('is inlined only where every frame of the node is', () => {
    expect(drawing(build('f* f:2\n1 1'))).toEqual(['all 0/2', '  f 2/2']);
  });

  it('stands deep recursion', () => {
    const { frames } = grid('f\n1');
    const table = new StackTable();
    const depth = 50_000;
    table.add(new Array<number>(depth).fill(0), 1);
    expect(buildFlameGraph(table.columns(), frames).parent).toHaveLength(depth + 1);
  });

  it('answers a lone root for no stacks', () => {
    const graph = buildFlameGraph(new StackTable().columns(), new FrameTable().columns());
    expect(drawing(graph)).toEqual(['all 0/0']);
  });
});

it('has one node for each path, through every growth of the tree', () => {
  const { stacks, frames } = randomStacks(5000);
  const graph = buildFlameGraph(stacks, frames);
  const paths = new Set(Array.from(graph.parent, (parent, i) => `${parent} ${graph.name[i]}`));
  expect(paths.size).toBe(graph.parent.length);
  expect(paths.size).toBeGreaterThan(10_000);
});

it('is the same in whatever order stacks are taken', () => {
  const { stacks, frames } = randomStacks(300);
  const rows = Array.from(stacks.values.keys());
  const path = (row: number) => Array.from(stacks.frames.subarray(stacks.offsets[row], stacks.offsets[row + 1]));
  const drawn = (order: number[]) => drawing(buildFlameGraph(stacks, frames, { order: Uint32Array.from(order) }));
  const expected = drawing(buildFlameGraph(stacks, frames));
  expect(expected.length).toBeGreaterThan(300);
  expect(drawn([...rows].reverse())).toEqual(expected);
  // Neighbours that share callers; longer ones before shorter ones, with one of no frames among them.
  expect(drawn([...rows].sort((a, b) => (path(a).join() < path(b).join() ? -1 : 1)))).toEqual(expected);
  expect(drawn([...rows].sort((a, b) => path(b).length - path(a).length))).toEqual(expected);
});

describe('maxNodes', () => {
  const text = `
    main  main  main  main  main
    a     a     a     b     c
    x     y     z     .     .
    8     2     1     3     1`;

  it('folds the lightest into (other) below their parent', () => {
    expect(drawing(build(text, 7))).toEqual([
      'all 0/15',
      '  main 0/15',
      '    a 0/11',
      '      x 8/8',
      '      (other) 3/3',
      '    b 3/3',
      '    (other) 1/1',
    ]);
    expect(drawing(build(text, 8))).toEqual(drawing(build(text)));
  });

  it('keeps totals exact for any bound, never over it', () => {
    const big = randomStacks(300);
    for (const maxNodes of [1, 2, 3, 5, 17, 100, 1000]) {
      const graph = buildFlameGraph(big.stacks, big.frames, { maxNodes });
      expect(graph.parent.length).toBeLessThanOrEqual(Math.max(2, maxNodes));
      const sums = [...graph.self];
      for (let i = sums.length - 1; i > 0; i--) {
        expect(graph.parent[i]!).toBeLessThan(i);
        sums[graph.parent[i]!]! += sums[i]!;
      }
      expect(sums).toEqual([...graph.total]);
      expect(graph.total[0]).toBe(big.total);
    }
  });
});

describe('topFunctions', () => {
  it('counts a recursive function once a stack, self at the leaf only', () => {
    const { stacks, frames } = grid(`
      main  main  main
      f:1   f:1   g
      f:2   g     .
      4     2     1`);
    expect(topFunctions(stacks, frames).map((t) => [t.function, t.self, t.total])).toEqual([
      ['f', 4, 6],
      ['g', 3, 3],
      ['main', 0, 7],
    ]);
    expect(topFunctions(stacks, frames, { limit: 1 })).toHaveLength(1);
  });
});

describe('functions by kind', () => {
  const { stacks, frames } = kinds();

  it('leaves out what is no function, and nothing else', () => {
    const top = (excludeKind?: string) =>
      topFunctions(stacks, frames, excludeKind === undefined ? {} : { excludeKind }).map((t) => t.function);
    expect(top()).toEqual(['leaf', 'alone', 'node']);
    expect(top('process')).toEqual(['leaf']);
  });

  it('orders a diff by the change of share', () => {
    const { stacks: before, frames: both } = grid('main main main\na b c\n50 40 10');
    const after = { ...before, values: Float64Array.of(10, 16, 14) };
    expect(diffFunctions(before, after, both).map((d) => [d.function, d.base.self, d.self])).toEqual([
      ['a', 50, 10],
      ['c', 10, 14],
      ['b', 40, 16],
      ['main', 0, 0],
    ]);
    expect(diffFunctions(before, after, both, { limit: 2 })).toHaveLength(2);
    // `main` is all of both sides, and has lost most in nanoseconds.
    expect(
      diffFunctions(before, after, both, { by: 'value' }).map((d) => [d.function, d.total - d.base.total]),
    ).toEqual([
      ['main', -60],
      ['a', -40],
      ['b', -24],
      ['c', 4],
    ]);
  });
});

/** A process with a function below it, and one without. */
function kinds() {
  const frames = new FrameTable();
  const stacks = new StackTable();
  const named = (name: string, kind: string) =>
    frames.add({ name, kind, file: '', line: 0, module: '', inlined: false });
  stacks.add([named('node', 'process'), named('leaf', 'native')], 3);
  stacks.add([named('alone', 'process')], 2);
  return { stacks: stacks.columns(), frames: frames.columns() };
}

function randomStacks(count: number) {
  let seed = 7;
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
  const frames = new FrameTable();
  const stacks = new StackTable();
  let total = 0;
  for (let i = 0; i < 20; i++)
    frames.add({ name: `f${i}`, file: '', line: 0, module: '', kind: 'native', inlined: false });
  for (let i = 0; i < count; i++) {
    const value = random(50);
    total += value;
    stacks.add(
      Array.from({ length: random(12) }, () => random(20)),
      value,
    );
  }
  return { stacks: stacks.columns(), frames: frames.columns(), total };
}
