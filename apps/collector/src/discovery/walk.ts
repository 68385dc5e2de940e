import { lstat, readdir } from 'node:fs/promises';

export interface WalkedDirectory {
  readonly path: string;
  /** Inode: since Linux 5.5 the cgroup's id in its hierarchy. */
  readonly inode: bigint;
}

export interface Walk {
  /** Parents before children; the top itself first. */
  readonly directories: WalkedDirectory[];
  /** What could not be listed, with the errno's name. Vanished directories are in neither list. */
  readonly unreadable: Array<{ path: string; errno: string }>;
  /** The bound was reached: there may be more. */
  readonly cut: boolean;
}

export interface WalkLimits {
  readonly directories: number;
  readonly depth: number;
}

export const DEFAULT_WALK_LIMITS: WalkLimits = { directories: 20_000, depth: 24 };

/** Directories that are read at once: the file system calls are answered by four threads. */
const PARALLEL = 8;

/** Breadth first, so that a bound cuts the depths of one container and not other pods. Never rejects. */
export async function walkDirectories(top: string, limits: WalkLimits = DEFAULT_WALK_LIMITS): Promise<Walk> {
  const walk = { directories: [] as WalkedDirectory[], unreadable: [] as Walk['unreadable'], cut: false };
  let level = [top];
  for (let depth = 0; level.length > 0; depth++) {
    const below: string[] = [];
    for (let i = 0; i < level.length; i += PARALLEL) {
      if (walk.directories.length >= limits.directories || depth > limits.depth) return { ...walk, cut: true };
      const visits = await Promise.all(level.slice(i, i + PARALLEL).map(visit));
      for (const { directory, children, error } of visits) {
        if (directory) walk.directories.push(directory);
        if (error) walk.unreadable.push(error);
        for (const child of children) below.push(child);
      }
    }
    level = below;
  }
  return walk;
}

interface Visit {
  directory?: WalkedDirectory;
  error?: { path: string; errno: string };
  children: string[];
}

async function visit(path: string): Promise<Visit> {
  let directory: WalkedDirectory | undefined;
  try {
    const stat = await lstat(path, { bigint: true });
    directory = { path, inode: stat.ino };
    // Two links are `.` and the parent's entry: no subdirectory, so the files need not be listed.
    if (stat.nlink === 2n) return { directory, children: [] };
    const entries = await readdir(path, { withFileTypes: true });
    const prefix = path === '/' ? '/' : `${path}/`;
    return { directory, children: entries.filter((e) => e.isDirectory()).map((e) => prefix + e.name) };
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? 'EIO';
    if (errno === 'ENOENT' || errno === 'ENODEV') return { children: [] };
    return { ...(directory && { directory }), error: { path, errno }, children: [] };
  }
}
