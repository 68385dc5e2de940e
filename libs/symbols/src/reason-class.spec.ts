import { describe, expect, it } from 'vitest';
import { reasonClass } from './reason-class.ts';

describe('classes of reasons', () => {
  it.each([
    ['no file', 'no-file'],
    ['build id differs', 'id-differs'],
    ['no symbol', 'no-symbol'],
    ['other code claims this build id: 00ff is not used', 'conflict'],
    ['upload refused: its own build id is aa, not bb', 'upload-refused'],
    ['/a: it belongs to user 7, not to root or to the user of process 3', 'not-permitted'],
    ['/a: Permission denied (os error 13)', 'not-permitted'],
    ['/a: the parser took more than 90 s', 'limit'],
    ['.debug_info: its sections claim to unpack to 9 bytes, more than the 8 that are read', 'limit'],
    ['/a: the parser did not end in time', 'limit'],
    ['/a: the file is corrupt: its parser ended by signal 11', 'unusable'],
    ['/a: not a regular file', 'unusable'],
  ])('%s: %s', (reason, expected) => expect(reasonClass(reason)).toBe(expected));
});
