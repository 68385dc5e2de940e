import { describe, expect, it } from 'vitest';
import { buildFlameGraph } from './flame-graph.ts';
import { drawing, grid } from './grid.fixture.ts';
import { shapeStacks, type Shape } from './shape.ts';

const { stacks, frames } = grid(`
  main@app     main@app     main@app     boot@app
  parse:3@lib  parse:3@lib  idle:9@app   read:1@lib
  scan:5@lib   scan:6@lib   .            .
  7            4            3            2
`);
const drawn = (shape: Shape) => {
  const shaped = shapeStacks(stacks, frames, shape);
  return drawing(buildFlameGraph(shaped.stacks, shaped.frames)).slice(1);
};
const named = (text: string) => (name: string) => name === text;

describe('shapeStacks', () => {
  it('leaves what asks for nothing as it is', () => {
    expect(drawn({})).toEqual([
      ...['  main 0/14', '    parse 0/11', '      scan 11/11', '    idle 3/3'],
      ...['  boot 0/2', '    read 2/2'],
    ]);
  });

  it('keeps the whole of stacks in focus, and drops those that hold what is ignored', () => {
    expect(drawn({ focus: named('parse') })).toEqual(['  main 0/11', '    parse 0/11', '      scan 11/11']);
    expect(drawn({ ignore: named('parse') })).toEqual(['  main 0/3', '    idle 3/3', '  boot 0/2', '    read 2/2']);
    expect(drawn({ focus: named('main'), ignore: named('scan') })).toEqual(['  main 0/3', '    idle 3/3']);
    expect(drawn({ focus: named('none') })).toEqual([]);
  });

  it('turns stacks over: callers below what they call', () => {
    expect(drawn({ invert: true })).toEqual([
      ...['  scan 0/11', '    parse 0/11', '      main 11/11'],
      ...['  idle 0/3', '    main 3/3', '  read 0/2', '    boot 2/2'],
    ]);
  });

  it('merges by line, and by module with frames that follow each other', () => {
    expect(drawn({ mergeBy: 'line', focus: named('scan') })).toEqual([
      ...['  main 0/11', '    parse:3 0/11', '      scan:5 7/7', '      scan:6 4/4'],
    ]);
    expect(drawn({ mergeBy: 'module' })).toEqual(['  app 3/16', '    lib 13/13']);
  });

  it('merges by file what has one, and tells the rest by module', () => {
    expect(drawn({ mergeBy: 'file' })).toEqual(['  app 3/16', '    lib 13/13']);
  });

  it('does not touch the frame before the functions', () => {
    const root = 'native';
    expect(drawn({ mergeBy: 'module', rootKind: root })).toEqual(drawn({}));
    expect(drawn({ focus: named('main'), rootKind: root })).toEqual([]);
  });

  it('loses no value and counts none twice, whatever the shape', () => {
    for (const mergeBy of ['function', 'file', 'line', 'module'] as const)
      for (const invert of [true, false]) {
        const shaped = shapeStacks(stacks, frames, { mergeBy, invert });
        const graph = buildFlameGraph(shaped.stacks, shaped.frames);
        expect([graph.total[0], graph.self.reduce((a, b) => a + b, 0)]).toEqual([16, 16]);
      }
  });
});
