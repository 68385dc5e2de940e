import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { makeBlockDirectory } from './block-files.ts';

const here = mkdtempSync(join(tmpdir(), 'perfleet-block-files-'));
afterEach(() => {
  for (const name of readdirSync(here)) rmSync(join(here, name), { recursive: true, force: true });
});
const made = (name: string) => {
  const path = join(here, name);
  mkdirSync(path);
  return path;
};

it('removes what a process left that was killed', async () => {
  const [data, shm] = [made('data'), made('shm')];
  const module = fileURLToPath(new URL('./block-files.ts', import.meta.url));
  const program = `
    import { writeFileSync } from 'node:fs';
    import { makeBlockDirectory } from ${JSON.stringify(module)};
    writeFileSync(makeBlockDirectory(${JSON.stringify(data)}, ${JSON.stringify(shm)}) + '/block', 'rows');
    console.log('written');
    setInterval(() => undefined, 1000);
  `;
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', program]);
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const own = makeBlockDirectory(data, shm);
  expect(readdirSync(own)).toEqual([]);
  expect(readdirSync(shm)).toHaveLength(1);
  expect(statSync(own).mode & 0o777).toBe(0o700);
});

it('is another one for another store', () => {
  const shm = made('shm');
  const [one, other] = [makeBlockDirectory(made('one'), shm), makeBlockDirectory(made('other'), shm)];
  expect(readdirSync(shm)).toHaveLength(2);
  writeFileSync(join(one, 'block'), 'rows');
  expect(readdirSync(other)).toEqual([]);
});

it('does not follow a link that somebody put in its place', () => {
  const [data, shm, elsewhere] = [made('data'), made('shm'), made('elsewhere')];
  const own = makeBlockDirectory(data, shm);
  rmSync(own, { recursive: true });
  writeFileSync(join(elsewhere, 'precious'), '');
  symlinkSync(elsewhere, own);
  writeFileSync(join(makeBlockDirectory(data, shm), 'block'), 'rows');
  expect(readdirSync(elsewhere)).toEqual(['precious']);
});

it('stands beside the data where there is no file system in memory', () => {
  const data = made('data');
  expect(makeBlockDirectory(data, join(here, 'none'))).toContain(join(data, 'tmp'));
});
