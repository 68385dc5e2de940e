import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroupLines, parseCgroupMounts } from './mounts.ts';
import { DEFAULT_WALK_LIMITS, walkDirectories, type WalkLimits } from './walk.ts';

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
}

const MAX_FILE_BYTES = 256 << 10;

/** Looks at the node it runs on. What cannot be read is left out or listed as unreadable; never rejects. */
export async function captureNode(options: CaptureOptions = {}): Promise<LiveCapture> {
  const procDir = options.procDir ?? '/proc';
  const mountinfo = cgroupLines(await readText(join(procDir, 'self/mountinfo')));
  const mountpoints = [...new Set(parseCgroupMounts(mountinfo).map((m) => m.mountpoint))];
  const mountpointInodes: Record<string, number> = {};
  const directories: string[] = [];
  const unreadable: LiveCapture['unreadable'] = [];
  for (const mountpoint of mountpoints) {
    const inode = await inodeOf(mountpoint);
    if (inode !== null) mountpointInodes[mountpoint] = inode;
    const walk = await walkDirectories(mountpoint, options.limits ?? DEFAULT_WALK_LIMITS);
    for (const directory of walk.directories) directories.push(directory.path);
    unreadable.push(...walk.unreadable);
  }
  return {
    name: options.name ?? 'live',
    mountinfo,
    mountpointInodes,
    directories: [...new Set(directories)],
    unreadable,
    selfProcCgroup: lines(await readText(join(procDir, 'self/cgroup'))),
    processes: await captureProcesses(procDir, options.maxProcesses ?? 4096),
  };
}

/** Processes with distinct cgroups: those that share one say nothing new. */
async function captureProcesses(procDir: string, limit: number): Promise<LiveCapture['processes']> {
  const seen = new Map<string, { name: string; procCgroup: string[] }>();
  for (const pid of await processIds(procDir, limit)) {
    const text = await readText(join(procDir, pid, 'cgroup'));
    if (text === '' || seen.has(text)) continue;
    const comm = (await readText(join(procDir, pid, 'comm'))).trim();
    seen.set(text, { name: comm || pid, procCgroup: lines(text) });
  }
  return [...seen.values()];
}

async function processIds(procDir: string, limit: number): Promise<string[]> {
  try {
    return (await readdir(procDir)).filter((name) => /^\d+$/.test(name)).slice(0, limit);
  } catch {
    return [];
  }
}

async function inodeOf(path: string): Promise<number | null> {
  try {
    return (await lstat(path)).ino;
  } catch {
    return null;
  }
}

async function readText(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    return bytes.subarray(0, MAX_FILE_BYTES).toString('utf8');
  } catch {
    return '';
  }
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
