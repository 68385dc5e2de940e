import { describe, expect, it } from 'vitest';
import type { ResolvedFrame } from './frames.ts';
import { flameGraphOf, topOf } from './flame-graph.ts';
import type { StackSet } from './stack-set.ts';

const frame = (name: string): ResolvedFrame => ({
  name,
  file: '',
  line: 0,
  module: '',
  kind: name === 'P' ? 'process' : 'native',
  inlined: false,
});

/** One line a stack: frames, root first, then the value. */
const set = (grid: string): StackSet => {
  const stacks = grid
    .trim()
    .split('\n')
    .map((line) => line.trim().split(' '))
    .map((words) => ({ frames: words.slice(0, -1).map(frame), value: Number(words.at(-1)) }));
  return { type: 'cpu', unit: 'nanoseconds', stacks, total: stacks.reduce((sum, s) => sum + s.value, 0) };
};

describe('flameGraphOf', () => {
  it('merges common prefixes, largest first, depth first', () => {
    const graph = flameGraphOf(set('P a 1\nP b c 5\nP b 2\nP b c 1'));
    expect(graph.name.map((i) => graph.strings[i])).toEqual(['all', 'P', 'b', 'c', 'a']);
    expect(graph.parent).toEqual([-1, 0, 1, 2, 1]);
    expect(graph.total).toEqual([9, 9, 8, 6, 1]);
    expect(graph.self).toEqual([0, 0, 2, 6, 1]);
  });

  it('stands deep recursion', () => {
    const depth = 50_000;
    const graph = flameGraphOf({
      ...set('P 1'),
      stacks: [{ frames: Array.from({ length: depth }, () => frame('f')), value: 1 }],
    });
    expect(graph.parent).toHaveLength(depth + 1);
  });

  it('keeps every total when there are more nodes than it may have', () => {
    const graph = flameGraphOf(set('P a 9\nP a b 5\nP c d 2\nP c e 1'), 3);
    const rows = graph.name.map((name, i) => [graph.strings[name], graph.self[i], graph.total[i]]);
    expect(rows).toEqual([
      ['all', 0, 17],
      ['P', 0, 17],
      ['a', 9, 14],
      ['[more stacks]', 5, 5],
      ['[more stacks]', 3, 3],
    ]);
  });

  it('is a root alone when there is nothing', () => {
    expect(flameGraphOf({ type: '', unit: '', stacks: [], total: 0 })).toMatchObject({ parent: [-1], total: [0] });
  });
});

describe('topOf', () => {
  it('counts a recursive function once a stack, and no process', () => {
    expect(topOf(set('P a b a 3\nP b 1')).map((f) => [f.function, f.self, f.total])).toEqual([
      ['a', 3, 3],
      ['b', 1, 4],
    ]);
  });
});
