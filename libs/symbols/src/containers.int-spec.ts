import { spawn, type ChildProcess } from 'node:child_process';
import {
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify } from '@perfleet/native-symbols';
import { waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addressOf, buildIdOf, compileC, run, WAITING_PROGRAM } from './programs.fixture.ts';
import { CONFLICT, createSymbolizer } from './symbolizer.ts';

const asRoot = process.geteuid?.() === 0;
const NOBODY = 65_534;

describe.skipIf(!asRoot)('files of containers (needs root for chroot)', () => {
  let dir: string;
  let root: string;
  let hostProgram: string;
  let inside: ChildProcess;
  let asNobody: ChildProcess;
  const children: ChildProcess[] = [];

  const start = async (rootDir: string, path: string, user?: number) => {
    const flags = user === undefined ? [] : [`--userspec=${user}:${user}`];
    const child = spawn('chroot', [...flags, rootDir, path], { stdio: 'ignore' });
    children.push(child);
    const name = path.split('/').at(-1)!;
    await waitFor(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8').trim() === name, {
      timeoutMs: 10_000,
      what: `the start of ${path}`,
    });
    return child;
  };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'perfleet-containers-'));
    root = join(dir, 'root');
    mkdirSync(join(root, 'opt'), { recursive: true });
    hostProgram = join(dir, 'host');
    compileC(hostProgram, `${WAITING_PROGRAM}int host_secret(void) { return 1; }`);
    compileC(join(root, 'opt/waits'), WAITING_PROGRAM);
    inside = await start(root, '/opt/waits');
    asNobody = await start(root, '/opt/waits', NOBODY);
  }, 60_000);
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  const seenFrom = (child: ChildProcess, path: string) => identify(`/proc/${child.pid}/root${path}`);

  it('are read where they are real', async () => {
    expect((await seenFrom(inside, '/opt/waits')).gnuBuildId).toBe(buildIdOf(join(root, 'opt/waits')));
    symlinkSync('waits', join(root, 'opt/same'));
    expect((await seenFrom(inside, '/opt/same')).gnuBuildId).toBe(buildIdOf(join(root, 'opt/waits')));
  });

  it('never lead to a file of the host: absolute, relative and magic links', async () => {
    symlinkSync(hostProgram, join(root, 'opt/absolute'));
    symlinkSync('../../host', join(root, 'opt/relative'));
    symlinkSync('/proc/self/root/host', join(root, 'opt/magic'));
    for (const name of ['absolute', 'relative', 'magic']) {
      await expect(seenFrom(inside, `/opt/${name}`)).rejects.toThrow('No such file');
      const query = { binaryId: `gnu:${buildIdOf(hostProgram)}`, path: `/opt/${name}`, pids: [inside.pid!] };
      const [answer] = await createSymbolizer().resolve(query, [addressOf(hostProgram, 'host_secret')]);
      expect(answer).toEqual({ quality: 0, chain: [], reason: 'no file' });
    }
  });

  it('are regular files: a pipe and a directory are refused at once', async () => {
    run('mkfifo', [join(root, 'opt/pipe')]);
    await expect(seenFrom(inside, '/opt/pipe')).rejects.toThrow('not a regular file');
    await expect(seenFrom(inside, '/opt')).rejects.toThrow('not a regular file');
  });

  it('that were cut short are refused with a cause', async () => {
    copyFileSync(hostProgram, join(root, 'opt/cut'));
    for (const length of [0, 40, 100, 5000]) {
      truncateSync(join(root, 'opt/cut'), length);
      const query = { binaryId: `gnu:${buildIdOf(hostProgram)}`, path: '/opt/cut', pids: [inside.pid!] };
      const [answer] = await createSymbolizer().resolve(query, [addressOf(hostProgram, 'main')]);
      expect(answer!.quality).toBe(0);
      expect(answer!.reason).not.toBe('no file');
    }
  });

  it('belong to root or to the user of the process', async () => {
    copyFileSync(hostProgram, join(root, 'opt/owned'));
    const owned = (uid: number) => chownSync(join(root, 'opt/owned'), uid, uid);
    owned(NOBODY);
    await seenFrom(asNobody, '/opt/owned');
    owned(12_345);
    await expect(seenFrom(asNobody, '/opt/owned')).rejects.toThrow('it belongs to user 12345');
    // Root of the container may run whatever is in it.
    await seenFrom(inside, '/opt/owned');
    // Without a hash nothing proves that a file of the machine, found by its path only, was the one that ran.
    const path = join(root, 'opt/owned');
    const [byPath] = await createSymbolizer().resolve({ binaryId: `path:${path}`, path, pids: [] }, [1n]);
    expect(byPath!.reason).toContain('it belongs to user 12345');
  });

  it('cannot rename a binary of the machine by carrying its build id', async () => {
    const buildId = buildIdOf(hostProgram);
    const fake = join(dir, 'fake-root');
    mkdirSync(join(fake, dir), { recursive: true });
    const copy = join(fake, hostProgram);
    compileC(copy, `int evil(void) { return 7; }\n${WAITING_PROGRAM}`, [`-Wl,--build-id=0x${buildId}`]);
    expect(buildIdOf(copy)).toBe(buildId);
    const child = await start(fake, hostProgram);
    const query = { binaryId: `gnu:${buildId}`, path: hostProgram, pids: [child.pid!] };
    const warnings: string[] = [];
    const symbolizer = createSymbolizer({ onWarning: (message) => warnings.push(message) });
    const main = addressOf(hostProgram, 'main');
    const [answer] = await symbolizer.resolve(query, [main]);
    expect(answer!.chain[0]!.slice(0, 2)).toEqual(['main', `${hostProgram}.c`]);
    const other = (await identify(copy, true)).content;
    expect(answer!.reason).toBe(`${CONFLICT}: ${other}`);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(other);
  });

  it('are not taken for what another file was known to be', async () => {
    const buildId = buildIdOf(hostProgram);
    const copy = join(dir, 'fake-root', hostProgram);
    const first = { binaryId: `gnu:${buildId}`, path: hostProgram, pids: [] };
    const symbolizer = createSymbolizer({ cacheEntries: 1 });
    const main = addressOf(hostProgram, 'main');
    expect((await symbolizer.resolve(first, [main]))[0]!.quality).toBe(3);
    // Another binary takes the table's place in the cache.
    await symbolizer.resolve({ binaryId: 'path:/proc/self/exe', path: '/proc/self/exe', pids: [] }, [1n]);
    const [later] = await symbolizer.resolve({ ...first, path: copy }, [main]);
    expect(later).toEqual({
      quality: 0,
      chain: [],
      reason: `${CONFLICT}: ${(await identify(copy, true)).content} is not used`,
    });
  });
});
