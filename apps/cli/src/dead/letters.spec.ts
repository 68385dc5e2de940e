import { deadLetterHeaders } from '@perfleet/messages';
import { describe, expect, it } from 'vitest';
import { letterOf, matches, type LetterFilter } from './letters.ts';
import { hexDump } from './summary.ts';

const letter = letterOf({
  ...{ topic: 'x.perfleet.dead', partition: 2, offset: 17n, key: null, value: null, timestamp: 5000 },
  headers: deadLetterHeaders({
    ...{ reason: 'headers: seq is not JSON', topic: 'x.perfleet.profiles', partition: 3, offset: 7n },
    headers: { node: 'n' },
  }),
});

describe('dead letters', () => {
  it('are read as they were written', () => {
    expect(letter).toMatchObject({ id: '2:17', time: 5000, topic: 'x.perfleet.profiles', partition: 3, offset: 7n });
    expect(letter).toMatchObject({ reason: 'headers: seq is not JSON', headers: { node: 'n' } });
    expect(letterOf({ ...letter.message, headers: { offset: '-1', partition: 'x' } })).toMatchObject({
      ...{ topic: '', partition: -1, offset: -1n, reason: '' },
    });
  });

  it.each<[LetterFilter, boolean]>([
    [{}, true],
    [{ topic: 'profiles' }, true],
    [{ topic: 'x.perfleet.profiles', partition: 3, offset: 7n }, true],
    [{ topic: 'symbols' }, false],
    [{ partition: 2 }, false],
    [{ offset: 17n }, false],
    [{ reason: 'json' }, true],
    [{ reason: 'schema' }, false],
    [{ from: 5000, until: 5000 }, true],
    [{ from: 5001 }, false],
    [{ until: 4999 }, false],
    [{ ids: new Set(['2:17']) }, true],
    [{ ids: new Set(['3:7']) }, false],
  ])('are chosen by %o: %s', (filter, chosen) => expect(matches(letter, filter)).toBe(chosen));

  it('are dumped as bytes and text', () => {
    const lines = hexDump(Buffer.from('0123456789abcdef\n\xff', 'latin1')).split('\n');
    expect(lines).toEqual([
      '00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  |0123456789abcdef|',
      `00000010  0a ff${' '.repeat(42)}  |..|`,
    ]);
  });
});
