import { lstatSync, readdirSync, watch, type FSWatcher } from 'node:fs';

export interface CgroupWatchOptions {
  /** A directory came, with its inode, or went (null). */
  readonly onChange: (path: string, inode: bigint | null) => void;
  /** Whether the directories in this one are of interest. */
  readonly wanted: (path: string) => boolean;
  /** Bound of watched directories; beyond it changes are found by the timer. */
  readonly maxWatches?: number;
}

const MAX_WATCHES = 8192;
/** Deeper than any pod in a pod. */
const MAX_DEPTH = 24;

/**
 * Tells of directories that come and go, by inotify: cgroup file systems announce mkdir and rmdir as others do. A watch
 * that cannot be had (bound reached, EACCES) is no error: the timer finds what it would have told.
 */
export class CgroupWatch {
  private readonly watchers = new Map<string, FSWatcher>();
  private refused = 0;

  constructor(private readonly options: CgroupWatchOptions) {}

  /** Directories watched, and directories that were wanted and could not be. */
  get counts(): { readonly watched: number; readonly refused: number } {
    return { watched: this.watchers.size, refused: this.refused };
  }

  /** Watches those of the directories that are wanted, and no others. */
  sync(directories: Iterable<string>): void {
    this.refused = 0;
    const keep = new Set<string>();
    for (const path of directories) if (this.options.wanted(path)) keep.add(path);
    for (const path of [...this.watchers.keys()]) if (!keep.has(path)) this.drop(path);
    for (const path of keep) this.add(path);
  }

  /** Watches those that are wanted besides what is watched already. */
  extend(directories: Iterable<string>): void {
    for (const path of directories) if (this.options.wanted(path)) this.add(path);
  }

  close(): void {
    for (const path of [...this.watchers.keys()]) this.drop(path);
  }

  /** @returns whether it is watched now and was not before */
  private add(path: string): boolean {
    if (this.watchers.has(path)) return false;
    if (this.watchers.size >= (this.options.maxWatches ?? MAX_WATCHES)) {
      this.refused++;
      return false;
    }
    try {
      const watcher = watch(path, { persistent: false }, (event, name) => {
        if (event === 'rename' && name !== null) this.look(path, name);
      });
      watcher.on('error', () => this.drop(path));
      this.watchers.set(path, watcher);
      return true;
    } catch {
      this.refused++;
      return false;
    }
  }

  private drop(path: string): void {
    this.watchers.get(path)?.close();
    this.watchers.delete(path);
  }

  private look(parent: string, name: string): void {
    const path = `${parent}/${name}`;
    const inode = directoryInode(path);
    // A directory that was made anew under its name needs a new watch.
    if (this.watchers.has(path)) this.drop(path);
    this.options.onChange(path, inode);
    if (inode !== null) this.descend(path, 0);
  }

  /** What was made in a new directory before its watch stood is found by listing it once. */
  private descend(path: string, depth: number): void {
    if (depth > MAX_DEPTH || !this.options.wanted(path) || !this.add(path)) return;
    for (const name of subdirectories(path)) {
      const child = `${path}/${name}`;
      const inode = directoryInode(child);
      if (inode === null) continue;
      this.options.onChange(child, inode);
      this.descend(child, depth + 1);
    }
  }
}

function directoryInode(path: string): bigint | null {
  try {
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return stat?.isDirectory() ? stat.ino : null;
  } catch {
    return null;
  }
}

function subdirectories(path: string): string[] {
  try {
    if (lstatSync(path).nlink === 2) return [];
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}
