import { lstatSync, readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

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

export interface WalkOptions {
  readonly limits?: WalkLimits;
  /** Directories whose inside is of no interest. */
  readonly prune?: (path: string) => boolean;
  /** Other mountpoints: what is below them belongs to another walk, also where it is the same file system. */
  readonly exclude?: ReadonlySet<string>;
}

export const DEFAULT_WALK_LIMITS: WalkLimits = { directories: 50_000, depth: 32 };

/** Longest turn of a walk, milliseconds: windows and heartbeats pass between two turns. */
const TURN_MS = 4;

/**
 * Breadth first, so that a bound cuts the depths of one container and not other pods. Other file systems mounted below
 * are left out. The calls are synchronous, in short turns: a cgroup file system answers from memory, in a tenth of the
 * time that a thread of the pool takes to be asked. Never rejects.
 */
export async function walkDirectories(top: string, options: WalkOptions = {}): Promise<Walk> {
  const { limits = DEFAULT_WALK_LIMITS, prune, exclude } = options;
  const walk = { directories: [] as WalkedDirectory[], unreadable: [] as Walk['unreadable'], cut: false };
  let level = [top];
  let device: bigint | undefined;
  let turn = performance.now();
  for (let depth = 0; level.length > 0; depth++) {
    const below: string[] = [];
    for (const path of level) {
      if (walk.directories.length >= limits.directories || depth > limits.depth) return { ...walk, cut: true };
      const { stat, children, errno } = visit(path, device, prune);
      device ??= stat?.dev;
      if (stat) walk.directories.push({ path, inode: stat.ino });
      if (errno) walk.unreadable.push({ path, errno });
      for (const child of children) if (!exclude?.has(child)) below.push(child);
      if (performance.now() - turn > TURN_MS) {
        await setImmediate();
        turn = performance.now();
      }
    }
    level = below;
  }
  return walk;
}

interface Visit {
  readonly stat?: { readonly ino: bigint; readonly dev: bigint };
  readonly errno?: string;
  readonly children: readonly string[];
}

function visit(path: string, device: bigint | undefined, prune?: (path: string) => boolean): Visit {
  let stat;
  try {
    stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (!stat || (device !== undefined && stat.dev !== device)) return { children: [] };
    return { stat, children: stat.nlink === 2n || prune?.(path) ? [] : subdirectories(path) };
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? 'EIO';
    if (errno === 'ENOENT' || errno === 'ENODEV') return { children: [] };
    return { stat, errno, children: [] };
  }
}

/** Two links are `.` and the parent's entry: such a directory has no subdirectory, and its files need not be listed. */
function subdirectories(path: string): string[] {
  const prefix = path === '/' ? '/' : `${path}/`;
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => prefix + entry.name);
}
