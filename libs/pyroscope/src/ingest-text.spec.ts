import { describe, expect, it } from 'vitest';
import { parseFolded, parseIngestName } from './ingest-text.ts';

const limits = { stacks: 3, depth: 4 };

describe('parseIngestName', () => {
  it.each([
    ['shop', 'shop', []],
    ['shop.cpu{}', 'shop.cpu', []],
    ['shop{a=b}', 'shop', [['a', 'b']]],
    [
      'shop{a=b,pod="x y",empty=,}',
      'shop',
      [
        ['a', 'b'],
        ['pod', 'x y'],
        ['empty', ''],
      ],
    ],
    ['shop{a=b=c}', 'shop', [['a', 'b=c']]],
  ])('%s', (text, app, labels) => expect(parseIngestName(text)).toEqual({ app, labels }));

  it.each([
    ['', 'name is missing'],
    ['{a=b}', 'name is missing'],
    ['shop{a=b', 'a } is missing'],
    ['shop{a}', 'a is not label=value'],
    ['shop{=b}', '=b is not label=value'],
  ])('refuses %j', (text, message) => expect(() => parseIngestName(text)).toThrow(message));
});

describe('parseFolded', () => {
  it('adds up groups', () => {
    const stacks = parseFolded('a;b 3\n\r\na;b 2\nspaced name;c d 7\n', 'groups', limits);
    expect([...stacks]).toEqual([
      ['a;b', 5],
      ['spaced name;c d', 7],
    ]);
  });

  it('counts lines', () =>
    expect([...parseFolded('a;b\na;b\nc 5', 'lines', limits)]).toEqual([
      ['a;b', 2],
      ['c 5', 1],
    ]));

  it.each([
    ['a;b', 'line 1: expected'],
    ['a 1\nb -1', 'line 2: expected'],
    ['a 1.5', 'line 1'],
    ['a;b;c;d;e 1', 'line 1: more than 4 frames'],
    ['a 1\nb 1\nc 1\nd 1', 'more than 3 stacks'],
  ])('refuses %j', (text, message) => expect(() => parseFolded(text, 'groups', limits)).toThrow(message));
});
