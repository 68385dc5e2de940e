import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { attributePath, cgroupMountLines, parseMountinfo, type CgroupMount } from '@perfleet/cgroup';
import { walkDirectories, type Walk, type WalkLimits } from './walk.ts';

/** A node's cgroup layout as data, in the format of `perfleet discover --capture`. */
export interface LiveCapture {
  readonly name: string;
  readonly mountinfo: string[];
  readonly mountpointInodes: Record<string, number>;
  readonly directories: string[];
  readonly unreadable: Array<{ path: string; errno: string }>;
  readonly selfProcCgroup: string[];
  readonly processes: Array<{ name: string; procCgroup: string[] }>;
}

export interface CaptureOptions {
  readonly name?: string;
  /** The node's /proc, e.g. /host/proc in a container. */
  readonly procDir?: string;
  readonly limits?: WalkLimits;
  readonly maxProcesses?: number;
  /** Called with every walk: it holds the inodes, which a capture does not. */
  readonly onWalk?: (mountpoint: string, walk: Walk) => void;
}

const MAX_PROCESSES = 32_768;
const TURN = 200;
/** A removed cgroup of v2. Nobody may have reaped its processes yet, and a node is in no mode because of its dead. */
const DELETED = ' (deleted)';

/** Looks at the node it runs on. What cannot be read is left out or listed as unreadable; never rejects. */
export async function captureNode(options: CaptureOptions = {}): Promise<LiveCapture> {
  const procDir = options.procDir ?? '/proc';
  const mountinfo = cgroupMountLines(readText(join(procDir, 'self/mountinfo')));
  const mountpointInodes: Record<string, number> = {};
  const directories = new Set<string>();
  const unreadable = new Map<string, { path: string; errno: string }>();
  const mounted = parseMountinfo(mountinfo);
  const exclude = new Set(mounted.map(({ mountpoint }) => mountpoint));
  for (const mounts of byHierarchy(mounted, mountpointInodes)) {
    for (const { mountpoint } of mounts) {
      const prune = (path: string) => insidePod(path.slice(mountpoint.length));
      const walk = await walkDirectories(mountpoint, { limits: options.limits, prune, exclude });
      for (const { path } of walk.directories) directories.add(path);
      for (const entry of walk.unreadable) unreadable.set(entry.path, entry);
      options.onWalk?.(mountpoint, walk);
      // This mount shows all of its hierarchy: others of it have nothing to add.
      if (mountpointInodes[mountpoint] === 1 && !unreadable.has(mountpoint)) break;
    }
  }
  return {
    name: options.name ?? 'live',
    mountinfo,
    mountpointInodes,
    directories: [...directories],
    unreadable: [...unreadable.values()],
    selfProcCgroup: lines(readText(join(procDir, 'self/cgroup'))),
    processes: await captureProcesses(procDir, options.maxProcesses ?? MAX_PROCESSES),
  };
}

/** Mounts by hierarchy, those that show all of it first; fills in the inodes of the mountpoints. */
function byHierarchy(mounts: readonly CgroupMount[], inodes: Record<string, number>): CgroupMount[][] {
  const groups = new Map<string, CgroupMount[]>();
  for (const mount of mounts) {
    const inode = inodeOf(mount.mountpoint);
    if (inode !== null) inodes[mount.mountpoint] = inode;
    groups.set(mount.id, [...(groups.get(mount.id) ?? []), mount]);
  }
  const rank = ({ mountpoint }: CgroupMount) => (inodes[mountpoint] === 1 ? 0 : 1);
  return [...groups.values()].map((group) =>
    group.sort((a, b) => rank(a) - rank(b) || a.mountpoint.length - b.mountpoint.length),
  );
}

/** What runs inside a pod's container makes cgroups of its own, which tell nothing about the node. */
function insidePod(path: string): boolean {
  const { podUid, containerId } = attributePath(path);
  return podUid !== null && containerId !== null;
}

/** Processes with distinct cgroups: those that share one say nothing new. */
async function captureProcesses(procDir: string, limit: number): Promise<LiveCapture['processes']> {
  const seen = new Map<string, { name: string; procCgroup: string[] }>();
  let count = 0;
  for (const pid of processIds(procDir).slice(0, limit)) {
    if (++count % TURN === 0) await setImmediate();
    const text = readText(join(procDir, pid, 'cgroup'));
    if (text === '' || seen.has(text) || (text.includes(DELETED) && isDead(readText(join(procDir, pid, 'stat')))))
      continue;
    const comm = readText(join(procDir, pid, 'comm')).trim();
    seen.set(text, { name: comm || pid, procCgroup: lines(text) });
  }
  return [...seen.values()];
}

/** State `Z` or `X` in /proc/PID/stat, and no thread that outlived the first one. */
function isDead(stat: string): boolean {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (fields[0] === 'Z' || fields[0] === 'X') && Number(fields[17]) <= 1;
}

function processIds(procDir: string): string[] {
  try {
    return readdirSync(procDir).filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

function inodeOf(path: string): number | null {
  try {
    return lstatSync(path).ino;
  } catch {
    return null;
  }
}

/** Files of /proc are the kernel's: short, and answered at once. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
