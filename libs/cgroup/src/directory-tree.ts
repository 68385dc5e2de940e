import type { NodeCapture } from './model.ts';
import { joinPath, normalPath, strings } from './paths.ts';

/** A node has tens of thousands of cgroups at most; the bound keeps a hostile capture from growing without end. */
const MAX_DIRECTORIES = 500_000;
const MAX_DEPTH = 64;

/** The captured directories as the reader could list them. */
export class DirectoryTree {
  private readonly children = new Map<string, Set<string>>();
  private readonly errors = new Map<string, string>();

  constructor(capture: NodeCapture, mountpoints: Iterable<string>) {
    for (const path of mountpoints) this.add(path);
    for (const path of strings(capture.directories, MAX_DIRECTORIES)) this.add(normalPath(path));
    for (const entry of Array.isArray(capture.unreadable) ? capture.unreadable : []) {
      if (typeof entry?.path !== 'string') continue;
      const errno = typeof entry.errno === 'string' ? entry.errno : 'EIO';
      this.errors.set(normalPath(entry.path), errno);
      // It cannot be read, so it is there.
      if (errno !== 'ENOENT') this.add(normalPath(entry.path));
    }
  }

  /** Name of the errno that listing the directory gives, or null. */
  errorOf(path: string): string | null {
    return this.errors.get(path) ?? (path === '/' || this.children.has(path) ? null : 'ENOENT');
  }

  /** Names in a directory, sorted; none where it cannot be listed. */
  list(path: string): string[] {
    if (this.errors.has(path)) return [];
    return [...(this.children.get(path) ?? [])].sort();
  }

  /** Everything that cannot be read, in the order given. */
  unreadable(): ReadonlyMap<string, string> {
    return this.errors;
  }

  private add(path: string): void {
    let parent = '/';
    for (const name of path.split('/', MAX_DEPTH)) {
      if (name === '') continue;
      let names = this.children.get(parent);
      if (!names) this.children.set(parent, (names = new Set()));
      names.add(name);
      parent = joinPath(parent, name);
    }
    if (!this.children.has(parent)) this.children.set(parent, new Set());
  }
}
