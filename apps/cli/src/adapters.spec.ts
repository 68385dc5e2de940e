import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '@perfleet/testing';
import { afterAll, expect, it } from 'vitest';
import { ensureDataDir } from './adapters.ts';

const dir = tempDir('perfleet-data-');
afterAll(() => dir.remove());
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

it('makes the data directory for its user alone', () => {
  const path = join(dir.path, 'a', 'b');
  ensureDataDir(path);
  expect(modeOf(path)).toBe('700');
});

it('closes one that an older version left open, and leaves one that is not its own as it is', () => {
  const [own, other] = [join(dir.path, 'own'), join(dir.path, 'other')];
  for (const path of [own, other]) {
    mkdirSync(path);
    chmodSync(path, 0o755);
  }
  writeFileSync(join(own, 'stream.db'), '');
  for (const path of [own, other]) ensureDataDir(path);
  expect([own, other].map(modeOf)).toEqual(['700', '755']);
});
