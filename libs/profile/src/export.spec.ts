import { describe, expect, it } from 'vitest';
import { toFolded } from './folded.ts';
import { FrameTable } from './frame-table.ts';
import { grid } from './grid.fixture.ts';
import { toSpeedscope } from './speedscope.ts';
import { StackTable } from './stack-table.ts';

const example = grid(`
  node    node    node
  main    main    main
  hot:1   hot:2   idle
  3       4       2`);

describe('toFolded', () => {
  it('is root first, one line for stacks that read the same', () => {
    expect(toFolded(example.stacks, example.frames)).toBe('node;main;hot 7\nnode;main;idle 2\n');
  });

  it('leaves no separator in a name and loses no stack without names', () => {
    const frames = new FrameTable();
    const stacks = new StackTable();
    const named = (name: string) => frames.add({ name, file: '', line: 0, module: '', kind: '', inlined: false });
    stacks.add([named('void f(a; b)'), named('two\nlines'), named('')], 1);
    stacks.add([], 5);
    expect(toFolded(stacks.columns(), frames.columns())).toBe('void f(a: b);two lines;[unknown] 1\n[unknown] 5\n');
  });
});

describe('toSpeedscope', () => {
  it('is one sampled profile with weights, frames merged by function', () => {
    const file = toSpeedscope(example.stacks, example.frames, { name: 'node 42', unit: 'nanoseconds' });
    expect(JSON.parse(JSON.stringify(file))).toEqual({
      $schema: 'https://www.speedscope.app/file-format-schema.json',
      exporter: 'perfleet',
      name: 'node 42',
      activeProfileIndex: 0,
      shared: { frames: [{ name: 'node' }, { name: 'main' }, { name: 'hot' }, { name: 'idle' }] },
      profiles: [
        {
          type: 'sampled',
          name: 'node 42',
          unit: 'nanoseconds',
          startValue: 0,
          endValue: 9,
          samples: [
            [0, 1, 2],
            [0, 1, 2],
            [0, 1, 3],
          ],
          weights: [3, 4, 2],
        },
      ],
    });
  });

  it('has no unit for counts', () => {
    expect(toSpeedscope(example.stacks, example.frames, { name: '', unit: 'count' }).profiles[0]!.unit).toBe('none');
  });
});
