import { describe, expect, it } from 'vitest';
import { compareFunctions } from './compare.ts';
import { FrameTable } from './frame-table.ts';
import { StackTable } from './stack-table.ts';

/** Two sides over one table of frames: `root;…;leaf value` a line. */
function sides(...texts: string[][]) {
  const frames = new FrameTable();
  const stacks = texts.map((lines) => {
    const table = new StackTable();
    for (const line of lines) {
      const [path, value] = line.split(' ') as [string, string];
      const ids = path
        .split(';')
        .map((name, i) =>
          frames.add({ name, file: '', line: 0, module: '', kind: i === 0 ? 'process' : 'native', inlined: false }),
        );
      table.add(ids, Number(value));
    }
    return table.columns();
  });
  return { base: stacks[0]!, compared: stacks[1]!, frames: frames.columns() };
}

const { base, compared, frames } = sides(
  ['p;main;parse 60', 'p;main;old 20', 'p;main 20'],
  ['p;main;parse 30', 'p;main;fresh 15', 'p;main 5'],
);
const names = (list: readonly { function: string; change: number }[]) => list.map((f) => [f.function, f.change]);

describe('compareFunctions', () => {
  it('compares self values with the scaled base, in two lists, largest first', () => {
    const { gained, lost, others } = compareFunctions(base, compared, frames, {
      scale: 0.5,
      limit: 10,
      excludeKind: 'process',
    });
    expect(names(gained)).toEqual([['fresh', 15]]);
    expect(names(lost)).toEqual([
      ['old', -10],
      ['main', -5],
    ]);
    expect(lost[1]).toMatchObject({ base: { self: 20, total: 100 }, self: 5, total: 50 });
    // parse took the same share: 60 of 100, 30 of 50.
    expect(others).toEqual({ functions: 1, baseSelf: 60, self: 30, change: 0 });
  });

  it('puts what the limit cuts into the others, so that both totals stay exact', () => {
    for (const limit of [0, 1, 2]) {
      const { gained, lost, others } = compareFunctions(base, compared, frames, {
        scale: 1,
        limit,
        excludeKind: 'process',
      });
      const all = [...gained, ...lost];
      expect(all.reduce((total, f) => total + f.self, others.self)).toBe(50);
      expect(all.reduce((total, f) => total + f.base.self, others.baseSelf)).toBe(100);
      expect(all.reduce((total, f) => total + f.change, others.change)).toBe(-50);
      expect(others.functions).toBe(4 - all.length);
    }
  });
});
