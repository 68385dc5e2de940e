import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CgroupIds } from './cgroup-ids.ts';
import { captureNode } from './live-capture.ts';
import { cgroupLines, cgroupVersion, parseCgroupMounts, type CgroupMount } from './mounts.ts';
import { walkDirectories } from './walk.ts';

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'perfleet-cgroup-'));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const mount = (more: Partial<CgroupMount> = {}): CgroupMount => ({
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
    const { directories, cut } = await walkDirectories(top, { directories: 20, depth: 5 });
    expect(cut).toBe(true);
    expect(directories.length).toBeLessThan(40);
    expect((await walkDirectories(top, { directories: 1000, depth: 1 })).cut).toBe(true);
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
});

describe('mounts', () => {
  const mountinfo = [
    '23 1 0:21 / / rw - ext4 /dev/vda rw',
    '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
    '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct',
    '41 31 0:38 /a\\040b /sys/fs/cgroup/uni\\040fied rw,relatime - cgroup2 cgroup2 rw,nsdelegate',
    '50 23 0:50 / /home rw - ext4 /dev/vdb rw',
  ].join('\n');

  it('keeps the lines that matter and reads them', () => {
    const lines = cgroupLines(mountinfo);
    expect(lines.map((line) => line.split(' ')[4])).toEqual([
      '/sys/fs/cgroup',
      '/sys/fs/cgroup/cpu,cpuacct',
      '/sys/fs/cgroup/uni\\040fied',
    ]);
    const mounts = parseCgroupMounts(lines);
    expect(mounts).toEqual([
      { mountpoint: '/sys/fs/cgroup/cpu,cpuacct', root: '/', version: 1, controllers: ['cpu', 'cpuacct'] },
      { mountpoint: '/sys/fs/cgroup/uni fied', root: '/a b', version: 2, controllers: [] },
    ]);
    expect(cgroupVersion(mounts)).toBe('hybrid');
    expect(cgroupVersion([])).toBe('none');
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
