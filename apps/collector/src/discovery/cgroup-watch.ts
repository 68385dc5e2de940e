import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { DirectoryEvents, WatchError } from '@perfleet/inotify';

export interface CgroupWatchOptions {
  /** A directory came, with its inode, or went (null). */
  readonly onChange: (path: string, inode: bigint | null) => void;
  /** The kernel dropped events: only a look at everything tells what there is now. */
  readonly onLost: () => void;
  /** Whether the directories in this one are of interest. */
  readonly wanted: (path: string) => boolean;
  /** Bound of watched directories; beyond it changes are found by the timer. */
  readonly maxWatches?: number;
  /** Between two readings of what happened, milliseconds. */
  readonly everyMs?: number;
}

/** Kernel memory of each is about a kilobyte. */
const MAX_WATCHES = 16_384;
/** All processes of a user share one limit; kubelet and systemd need their part of it. */
const SHARE_OF_LIMIT = 0.5;
const LIMIT_FILE = '/proc/sys/fs/inotify/max_user_watches';
/** A directory's inode can be read only while it is there: a container that lives shorter than this is not seen. */
const EVERY_MS = 200;
/** Deeper than any pod in a pod. */
const MAX_DEPTH = 24;

interface Entry {
  readonly inode: bigint;
  readonly hasSubdirectories: boolean;
}

/**
 * Tells of directories that come and go, by inotify: cgroup file systems announce mkdir and rmdir as others do. Events are
 * read five times a second and not one by one, since waking up costs more than what is then done. A watch that cannot be
 * had (bound reached, EACCES, no inotify) is no error: the timer finds what it would have told.
 */
export class CgroupWatch {
  private events: DirectoryEvents | null = null;
  private timer: NodeJS.Timeout | null = null;
  private readonly watches = new Map<string, number>();
  private readonly paths = new Map<number, string>();
  private readonly maxWatches: number;
  private refused = 0;

  constructor(private readonly options: CgroupWatchOptions) {
    this.maxWatches = options.maxWatches ?? watchLimit();
  }

  /** Directories watched, and directories that were wanted and could not be. */
  get counts(): { readonly watched: number; readonly refused: number } {
    return { watched: this.watches.size, refused: this.refused };
  }

  /**
   * Watches those of the directories that are wanted, and stops watching what is wanted no longer. A watched directory that
   * is not among them stays: it may be younger than the walk that found them, and the kernel tells when it goes.
   */
  sync(directories: Iterable<string>): void {
    this.refused = 0;
    for (const path of [...this.watches.keys()]) if (!this.options.wanted(path)) this.drop(path);
    this.extend(directories);
  }

  /** Watches those that are wanted besides what is watched already. */
  extend(directories: Iterable<string>): void {
    for (const path of directories) if (!this.watches.has(path) && this.options.wanted(path)) this.add(path);
  }

  /** Tells now what happened since the last time. */
  read(): void {
    for (const { watch, kind, name } of this.events?.read() ?? []) {
      if (kind === 'overflow') this.options.onLost();
      const parent = this.paths.get(watch);
      if (parent === undefined) continue;
      const path = `${parent}/${name}`;
      if (kind === 'came') this.came(path, 0);
      else if (kind === 'went') this.went(path);
      else this.forget(parent, watch);
    }
  }

  close(): void {
    if (this.timer) clearInterval(this.timer);
    this.events?.close();
    [this.timer, this.events] = [null, null];
    this.watches.clear();
    this.paths.clear();
  }

  /** @returns whether this very directory is watched already */
  private add(path: string): boolean {
    try {
      const before = this.watches.get(path);
      if (before === undefined && this.watches.size >= this.maxWatches) throw new WatchError(path, 'ENOSPC');
      const watch = this.open().add(path);
      if (watch === before) return true;
      // The same directory at two mountpoints is one watch; it is told at the place that came last.
      const other = this.paths.get(watch);
      if (other !== undefined) this.watches.delete(other);
      this.watches.set(path, watch);
      this.paths.set(watch, path);
    } catch {
      this.refused++;
    }
    return false;
  }

  private open(): DirectoryEvents {
    this.events ??= new DirectoryEvents();
    this.timer ??= setInterval(() => this.read(), this.options.everyMs ?? EVERY_MS).unref();
    return this.events;
  }

  private drop(path: string): void {
    const watch = this.watches.get(path);
    if (watch === undefined) return;
    this.events?.remove(watch);
    this.forget(path, watch);
  }

  private forget(path: string, watch: number): void {
    this.paths.delete(watch);
    // The directory may have been made anew under its name, and watched, by now.
    if (this.watches.get(path) === watch) this.watches.delete(path);
  }

  private went(path: string): void {
    this.drop(path);
    this.options.onChange(path, null);
  }

  private came(path: string, depth: number): void {
    // It is listed after its watch stands: what was made before is found, what is made later is told.
    const wanted = depth <= MAX_DEPTH && this.options.wanted(path);
    const known = wanted && this.add(path);
    const entry = directoryAt(path);
    if (!entry) return;
    this.options.onChange(path, entry.inode);
    if (wanted && !known && entry.hasSubdirectories)
      for (const name of subdirectories(path)) this.came(`${path}/${name}`, depth + 1);
  }
}

function watchLimit(): number {
  try {
    return Math.min(MAX_WATCHES, Math.floor(Number(readFileSync(LIMIT_FILE, 'utf8')) * SHARE_OF_LIMIT));
  } catch {
    return MAX_WATCHES / 2;
  }
}

function directoryAt(path: string): Entry | null {
  try {
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return stat?.isDirectory() ? { inode: stat.ino, hasSubdirectories: stat.nlink !== 2n } : null;
  } catch {
    return null;
  }
}

function subdirectories(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}
