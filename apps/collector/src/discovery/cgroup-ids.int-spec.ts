import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CgroupIds, type IdMount } from './cgroup-ids.ts';
import { captureNode } from './live-capture.ts';
import { walkDirectories } from './walk.ts';

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'perfleet-cgroup-'));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const mount = (more: Partial<IdMount> = {}): IdMount => ({
  mountpoint: top,
  root: '/',
  version: 2,
  controllers: [],
  ...more,
});
const inode = (path: string) => statSync(join(top, path), { bigint: true }).ino;
const make = (path: string) => mkdirSync(join(top, path), { recursive: true });

describe('walkDirectories', () => {
  it('finds every directory with its inode, parents first', async () => {
    make('kubepods/burstable/podx/c');
    make('system.slice');
    const { directories, unreadable, cut } = await walkDirectories(top);
    expect(directories.map((d) => d.path.slice(top.length)).sort()).toEqual(
      [
        '',
        '/kubepods',
        '/kubepods/burstable',
        '/kubepods/burstable/podx',
        '/kubepods/burstable/podx/c',
        '/system.slice',
      ].sort(),
    );
    for (const d of directories) expect(d.inode).toBe(statSync(d.path, { bigint: true }).ino);
    expect([unreadable, cut]).toEqual([[], false]);
  });

  it('is bounded, and a missing top is no error', async () => {
    for (let n = 0; n < 50; n++) make(`d${n}/e`);
    const { directories, cut } = await walkDirectories(top, { limits: { directories: 20, depth: 5 } });
    expect(cut).toBe(true);
    expect(directories.length).toBeLessThan(40);
    expect((await walkDirectories(top, { limits: { directories: 1000, depth: 1 } })).cut).toBe(true);
    expect(await walkDirectories(join(top, 'nothing'))).toMatchObject({ directories: [], unreadable: [] });
  });
});

describe('CgroupIds', () => {
  it('learns new cgroups, and remembers removed ones for a while', async () => {
    let now = 0;
    const ids = new CgroupIds({ rememberMs: 1000, minWalkMs: 10, now: () => now });
    ids.setMounts([mount()]);
    make('a');
    make('keep');
    const a = inode('a');
    await ids.learn([['v2', a]]);
    expect(ids.lookup('v2', a)).toBe('/a');

    now += 100;
    // Made before the other is removed: a file system may give a freed inode away again, a kernel's cgroups do not.
    make('keep/b');
    const b = inode('keep/b');
    rmdirSync(join(top, 'a'));
    await ids.learn([['v2', b]]);
    expect([ids.lookup('v2', a), ids.lookup('v2', b)]).toEqual(['/a', '/keep/b']);

    now += 2000;
    await ids.learn([['v2', 0xffff_ffff_ffffn]]);
    expect([ids.lookup('v2', a), ids.lookup('v2', b)]).toEqual(['', '/keep/b']);
  });

  it('keeps the hierarchies apart', async () => {
    make('v1/x');
    make('v2/y');
    const ids = new CgroupIds();
    ids.setMounts([
      mount({ mountpoint: join(top, 'v2') }),
      mount({ mountpoint: join(top, 'v1'), version: 1, controllers: ['cpu', 'cpuacct'] }),
    ]);
    await ids.learn([
      ['v2', inode('v2/y')],
      ['cpuacct', inode('v1/x')],
    ]);
    expect(ids.lookup('cpuacct', inode('v1/x'))).toBe('/x');
    expect(ids.lookup('v2', inode('v1/x'))).toBe('');
    expect(ids.lookup('memory', inode('v1/x'))).toBe('');
    expect(ids.lookup('v2', 1n)).toBe('/');
  });

  it('takes a path that something else read only with the right inode, and below a mount of a part', async () => {
    make('pods/a');
    const ids = new CgroupIds();
    ids.setMounts([mount(), mount({ version: 1, controllers: ['pids'], root: '/kubepods' })]);
    expect(ids.adopt('v2', inode('pods/a'), '/pods')).toBe(false);
    expect(ids.adopt('v2', inode('pods/a'), '/../pods/a')).toBe(false);
    expect(ids.adopt('v2', inode('pods/a'), '/pods/a')).toBe(true);
    expect(ids.lookup('v2', inode('pods/a'))).toBe('/pods/a');
    expect(ids.adopt('pids', inode('pods/a'), '/pods/a')).toBe(false);
    expect(ids.adopt('pids', inode('pods/a'), '/kubepods/pods/a')).toBe(true);
    expect(ids.lookup('pids', inode('pods/a'))).toBe('/kubepods/pods/a');
  });

  it('does not take for gone what came during the walk, and what it had missed before is not there', async () => {
    let now = 10;
    const ids = new CgroupIds({ rememberMs: 1000, now: () => now });
    ids.setMounts([mount()]);
    ids.note(join(top, 'old'), 71n);
    now = 20;
    const walk = { directories: [] };
    now = 30;
    ids.note(join(top, 'young'), 72n);
    ids.noteWalk(top, walk, 20);
    now = 5000;
    ids.noteWalk(top, { directories: [{ path: join(top, 'young'), inode: 72n }] }, now);
    expect([ids.lookup('v2', 71n), ids.lookup('v2', 72n)]).toEqual(['', '/young']);
    ids.noteWalk(top, walk, now);
    now += 2000;
    ids.noteWalk(top, walk, now);
    expect(ids.lookup('v2', 72n)).toBe('');
  });

  it('hears of directories that come and go, and does not walk again for what no walk finds', async () => {
    let walks = 0;
    const ids = new CgroupIds({ minWalkMs: 0, walk: async () => ({ directories: [], unreadable: [], cut: !++walks }) });
    ids.setMounts([mount()]);
    ids.note(join(top, 'a/b'), 77n);
    expect(ids.lookup('v2', 77n)).toBe('/a/b');
    ids.note(join(top, 'a/b'), null);
    expect(ids.lookup('v2', 77n)).toBe('/a/b');
    ids.note(join(top, 'a/b'), 78n);
    expect([ids.lookup('v2', 77n), ids.lookup('v2', 78n)]).toEqual(['/a/b', '/a/b']);
    await ids.learn([['v2', 99n]]);
    await ids.learn([['v2', 99n]]);
    expect(walks).toBe(1);
  });
});

describe('captureNode', () => {
  it('describes this machine', async () => {
    const capture = await captureNode();
    expect(capture.mountinfo.some((line) => / - cgroup2? /.test(line))).toBe(true);
    expect(capture.directories.length).toBeGreaterThan(0);
    expect(capture.selfProcCgroup.length).toBeGreaterThan(0);
    expect(capture.processes.some((p) => p.procCgroup.join() === capture.selfProcCgroup.join())).toBe(true);
    for (const mountpoint of Object.keys(capture.mountpointInodes)) expect(capture.directories).toContain(mountpoint);
  });
});
