import { lstatSync } from 'node:fs';
import { isBelow } from '@perfleet/cgroup';
import { walkDirectories, type Walk } from './walk.ts';

/** The v2 hierarchy, or a v1 controller. Cgroup ids are unique within one hierarchy only. */
export type HierarchyKey = 'v2' | (string & {});

/** A mounted hierarchy whose ids are wanted. */
export interface IdMount {
  readonly mountpoint: string;
  /** What of the hierarchy is mounted; `/` or `/..…` where paths below the mountpoint are paths inside the hierarchy. */
  readonly root: string;
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
}

interface Entry {
  readonly path: string;
  /** When it was seen for the first time. */
  readonly cameAt: number;
  /** When it was missed first, Infinity while it exists. */
  readonly goneAt: number;
}

interface Hierarchy {
  readonly mountpoint: string;
  /** Path inside the hierarchy of what is mounted; "" = all of it. */
  readonly base: string;
  readonly paths: Map<bigint, Entry>;
  readonly idOf: Map<string, bigint>;
  /** Ids that a walk did not find, with the time until which they are not looked for again. */
  readonly unknown: Map<bigint, number>;
  walkedAt: number;
  walking: Promise<void> | null;
}

export interface CgroupIdOptions {
  /** How long a removed cgroup keeps its name: its last samples arrive after it is gone. Milliseconds. */
  readonly rememberMs?: number;
  /** Least time between two walks of one hierarchy, milliseconds. */
  readonly minWalkMs?: number;
  readonly now?: () => number;
  readonly walk?: (top: string, exclude: ReadonlySet<string>) => Promise<Walk>;
}

/** The root's inode where the mount shows the whole hierarchy; walking finds it too, this says it before. */
const ROOT_ID = 1n;
const UNKNOWN_MS = 60_000;
const MAX_UNKNOWN = 10_000;
/** A node with more cgroups than this loses the names of its oldest removed ones first. */
const MAX_IDS = 200_000;

/**
 * Cgroup id -> path inside its hierarchy. It learns from what is cheap first: events of the watch, then the path that
 * /proc said, checked by its inode; it walks a hierarchy for what neither of them knows.
 */
export class CgroupIds {
  private hierarchies = new Map<HierarchyKey, Hierarchy>();
  private readonly rememberMs: number;
  private readonly minWalkMs: number;
  private readonly now: () => number;
  private readonly walk: NonNullable<CgroupIdOptions['walk']>;
  private mountpoints: ReadonlySet<string> = new Set();
  /** Each hierarchy once: one of v1 has a key for each of its controllers. */
  private distinct: readonly Hierarchy[] = [];
  private goneSinceForget = 0;

  constructor(options: CgroupIdOptions = {}) {
    this.rememberMs = options.rememberMs ?? 300_000;
    this.minWalkMs = options.minWalkMs ?? 1000;
    this.now = options.now ?? (() => performance.now());
    this.walk = options.walk ?? ((top, exclude) => walkDirectories(top, { exclude }));
  }

  /** Mounts may come and go; what is known of one that stays is kept. */
  setMounts(mounts: readonly IdMount[]): void {
    this.mountpoints = new Set(mounts.map(({ mountpoint }) => mountpoint));
    const next = new Map<HierarchyKey, Hierarchy>();
    for (const { mountpoint, root, version, controllers } of mounts) {
      const base = root === '/' || root.startsWith('/..') ? '' : root;
      for (const key of version === 2 ? ['v2'] : controllers) {
        const known = this.hierarchies.get(key);
        const kept = known?.mountpoint === mountpoint && known.base === base ? known : null;
        if (!next.has(key)) next.set(key, kept ?? newHierarchy(mountpoint, base));
      }
    }
    this.hierarchies = next;
    this.distinct = [...new Set(next.values())];
  }

  /** @returns "" when the id has no path (yet) */
  lookup(key: HierarchyKey, id: bigint): string {
    const found = this.hierarchies.get(key)?.paths.get(id)?.path;
    return found ?? (id === ROOT_ID ? '/' : '');
  }

  /** Takes the path that something else gave for the id, when the directory there has it. @returns whether it has */
  adopt(key: HierarchyKey, id: bigint, path: string): boolean {
    const hierarchy = this.hierarchies.get(key);
    if (!hierarchy || path.startsWith('/..')) return false;
    if (hierarchy.base !== '' && !path.startsWith(`${hierarchy.base}/`)) return false;
    try {
      const at = hierarchy.mountpoint + path.slice(hierarchy.base.length);
      if (lstatSync(at, { bigint: true, throwIfNoEntry: false })?.ino !== id) return false;
    } catch {
      return false;
    }
    this.set(hierarchy, id, path);
    return true;
  }

  /** A directory came (with its inode) or went (null), as the watch saw it. */
  note(at: string, inode: bigint | null): void {
    for (const hierarchy of this.distinct) {
      if (!isBelow(at, hierarchy.mountpoint)) continue;
      const path = hierarchy.base + at.slice(hierarchy.mountpoint.length);
      const before = hierarchy.idOf.get(path);
      if (before !== undefined && before !== inode) this.gone(hierarchy, before);
      if (inode !== null) this.set(hierarchy, inode, path);
    }
  }

  /** All directories of a mount, as a walk found them that began at `begunAt`, by the same clock as `now`. */
  noteWalk(mountpoint: string, walk: Pick<Walk, 'directories'>, begunAt: number): void {
    for (const hierarchy of this.distinct) {
      if (hierarchy.mountpoint === mountpoint) this.replace(hierarchy, walk, begunAt);
    }
  }

  /** Walks the hierarchies of those ids that have no path, unless that was done a moment ago. Never rejects. */
  async learn(wanted: Iterable<readonly [HierarchyKey, bigint]>): Promise<void> {
    const missing = new Map<HierarchyKey, bigint[]>();
    for (const [key, id] of wanted) {
      if (id === 0n || this.lookup(key, id) !== '') continue;
      if (this.now() < (this.hierarchies.get(key)?.unknown.get(id) ?? 0)) continue;
      missing.set(key, [...(missing.get(key) ?? []), id]);
    }
    await Promise.all([...missing].map(([key, ids]) => this.refresh(key, ids)));
  }

  private async refresh(key: HierarchyKey, ids: readonly bigint[]): Promise<void> {
    const hierarchy = this.hierarchies.get(key);
    if (!hierarchy) return;
    if (hierarchy.walking) return hierarchy.walking;
    if (this.now() - hierarchy.walkedAt < this.minWalkMs) return;
    const begunAt = (hierarchy.walkedAt = this.now());
    hierarchy.walking = this.walk(hierarchy.mountpoint, this.mountpoints)
      .then((walk) => this.replace(hierarchy, walk, begunAt))
      .catch(() => undefined)
      .finally(() => (hierarchy.walking = null));
    await hierarchy.walking;
    if (hierarchy.unknown.size + ids.length > MAX_UNKNOWN) hierarchy.unknown.clear();
    for (const id of ids) if (!hierarchy.paths.has(id)) hierarchy.unknown.set(id, this.now() + UNKNOWN_MS);
  }

  private replace(hierarchy: Hierarchy, { directories }: Pick<Walk, 'directories'>, begunAt: number): void {
    const seen = new Set<bigint>();
    const { mountpoint, base } = hierarchy;
    for (const { path, inode } of directories) {
      seen.add(inode);
      this.set(hierarchy, inode, base + path.slice(mountpoint.length) || '/');
    }
    // What came during the walk may be where the walk had been before.
    for (const [id, { cameAt, goneAt }] of hierarchy.paths)
      if (!seen.has(id) && goneAt === Infinity && cameAt < begunAt) this.gone(hierarchy, id);
    this.forget(hierarchy);
  }

  private set(hierarchy: Hierarchy, id: bigint, path: string): void {
    const known = hierarchy.paths.get(id);
    if (known?.path === path && known.goneAt === Infinity) return;
    hierarchy.paths.set(id, { path, cameAt: this.now(), goneAt: Infinity });
    hierarchy.idOf.set(path, id);
    hierarchy.unknown.delete(id);
    if (hierarchy.paths.size > MAX_IDS * 1.1) this.forget(hierarchy);
  }

  private gone(hierarchy: Hierarchy, id: bigint): void {
    const entry = hierarchy.paths.get(id);
    if (!entry || entry.goneAt !== Infinity) return;
    // Last in the map's order is last to be forgotten.
    hierarchy.paths.delete(id);
    hierarchy.paths.set(id, { ...entry, goneAt: this.now() });
    if (hierarchy.idOf.get(entry.path) === id) hierarchy.idOf.delete(entry.path);
    // A look at all of them for each that goes would be as dear as a walk.
    if (++this.goneSinceForget >= 4096) this.distinct.forEach((each) => this.forget(each));
  }

  private forget(hierarchy: Hierarchy): void {
    this.goneSinceForget = 0;
    const before = this.now() - this.rememberMs;
    let over = hierarchy.paths.size - MAX_IDS;
    for (const [id, { goneAt }] of hierarchy.paths) {
      if (goneAt === Infinity || (goneAt >= before && over <= 0)) continue;
      hierarchy.paths.delete(id);
      over--;
    }
  }
}

function newHierarchy(mountpoint: string, base: string): Hierarchy {
  return {
    ...{ mountpoint, base, paths: new Map(), idOf: new Map(), unknown: new Map() },
    ...{ walkedAt: -Infinity, walking: null },
  };
}
