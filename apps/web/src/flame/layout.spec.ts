import type { FlameGraphColumns } from '@perfleet/api-contract';
import { describe, expect, it } from 'vitest';
import { findPath, layoutFlameGraph, nodeAt, pathOf } from './layout.ts';
import { searchFlameGraph } from './search.ts';

/**
 *   all   100
 *   a 70      b 30
 *   c 40 d 20 c 30        (a has 10 of its own)
 */
function fixture(): FlameGraphColumns {
  const names = ['all', 'a', 'c', 'd', 'b', 'c'];
  const zero = names.map(() => 0);
  return {
    strings: ['', ...new Set(names), 'lib.so'],
    parent: [-1, 0, 1, 1, 0, 4],
    name: names.map((name) => ['', ...new Set(names)].indexOf(name)),
    file: zero,
    module: [0, 0, 0, 6, 0, 0],
    kind: zero,
    inlined: zero,
    self: [0, 10, 40, 20, 0, 30],
    total: [100, 70, 40, 20, 30, 30],
  };
}

describe('layoutFlameGraph', () => {
  const layout = layoutFlameGraph(fixture());

  it('places children side by side from their parent’s start', () => {
    expect([...layout.start]).toEqual([0, 0, 0, 40, 70, 70]);
    expect([...layout.depth]).toEqual([0, 1, 2, 2, 1, 2]);
    expect([...layout.end]).toEqual([6, 4, 3, 4, 6, 6]);
    expect(layout.maxDepth).toBe(2);
  });

  it('finds the node under a point, and none where a frame has only its own time', () => {
    expect(nodeAt(layout, 0, 99)).toBe(0);
    expect(nodeAt(layout, 2, 39.9)).toBe(2);
    expect(nodeAt(layout, 2, 40)).toBe(3);
    expect(nodeAt(layout, 2, 65)).toBe(-1);
    expect(nodeAt(layout, 2, 99)).toBe(5);
    expect(nodeAt(layout, 3, 10)).toBe(-1);
    expect(nodeAt(layout, 0, 100)).toBe(-1);
  });

  it('goes from a node to its path and back, as deep as the path exists', () => {
    expect(pathOf(layout, 5)).toEqual(['b', 'c']);
    expect(findPath(layout, ['b', 'c'])).toBe(5);
    expect(findPath(layout, ['b', 'gone', 'x'])).toBe(4);
    expect(findPath(layout, [])).toBe(0);
  });

  it('survives an empty answer', () => {
    const none = layoutFlameGraph({
      strings: [],
      parent: [],
      name: [],
      file: [],
      module: [],
      kind: [],
      inlined: [],
      self: [],
      total: [],
    });
    expect(nodeAt(none, 0, 0)).toBe(-1);
  });
});

describe('searchFlameGraph', () => {
  const layout = layoutFlameGraph(fixture());

  it('marks every match and counts each sample once', () => {
    const result = searchFlameGraph(layout, '^(a|c)$')!;
    expect([...result.matches]).toEqual([0, 1, 1, 0, 0, 1]);
    expect(result.value).toBe(100);
  });

  it('matches modules, ignores case, and takes a broken expression as text', () => {
    expect(searchFlameGraph(layout, 'LIB')!.value).toBe(20);
    expect(searchFlameGraph(layout, '(')!.error).toMatch(/plain text/);
    expect(searchFlameGraph(layout, '')).toBeNull();
  });
});
