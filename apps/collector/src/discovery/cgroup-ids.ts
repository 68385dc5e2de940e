import type { CgroupMount } from './mounts.ts';
import { walkDirectories, type Walk } from './walk.ts';

/** The v2 hierarchy, or a v1 controller. Cgroup ids are unique within one hierarchy only. */
export type HierarchyKey = 'v2' | (string & {});

interface Hierarchy {
  readonly mountpoint: string;
  readonly root: string;
  /** `goneAt`: when a walk first missed it, Infinity while it exists. */
  paths: Map<bigint, { path: string; goneAt: number }>;
  walkedAt: number;
  walking: Promise<void> | null;
}

export interface CgroupIdOptions {
  /** How long a removed cgroup keeps its name: its last samples arrive after it is gone. Milliseconds. */
  readonly rememberMs?: number;
  /** Least time between two walks of one hierarchy, milliseconds. */
  readonly minWalkMs?: number;
  readonly now?: () => number;
  readonly walk?: (top: string) => Promise<Walk>;
}

/** The root's inode where the mount shows the whole hierarchy; walking finds it too, this says it before. */
const ROOT_ID = 1n;

/** Cgroup id -> path inside its hierarchy. Walks a hierarchy when it is asked for an id that it does not know. */
export class CgroupIds {
  private hierarchies = new Map<HierarchyKey, Hierarchy>();
  private readonly rememberMs: number;
  private readonly minWalkMs: number;
  private readonly now: () => number;
  private readonly walk: (top: string) => Promise<Walk>;

  constructor(options: CgroupIdOptions = {}) {
    this.rememberMs = options.rememberMs ?? 300_000;
    this.minWalkMs = options.minWalkMs ?? 1000;
    this.now = options.now ?? (() => performance.now());
    this.walk = options.walk ?? walkDirectories;
  }

  /** Mounts may come and go; what is known of one that stays is kept. */
  setMounts(mounts: readonly CgroupMount[]): void {
    const next = new Map<HierarchyKey, Hierarchy>();
    for (const mount of mounts) {
      for (const key of mount.version === 2 ? ['v2'] : mount.controllers) {
        const better = next.get(key);
        if (better && better.root.length <= mount.root.length) continue;
        const known = this.hierarchies.get(key);
        const { mountpoint, root } = mount;
        const kept = known?.mountpoint === mountpoint && known.root === root ? known : null;
        next.set(key, kept ?? { mountpoint, root, paths: new Map(), walkedAt: -Infinity, walking: null });
      }
    }
    this.hierarchies = next;
  }

  /** @returns "" when the id has no path (yet) */
  lookup(key: HierarchyKey, id: bigint): string {
    const found = this.hierarchies.get(key)?.paths.get(id)?.path;
    return found ?? (id === ROOT_ID ? '/' : '');
  }

  /** Walks the hierarchies of those ids that have no path, unless that was done a moment ago. Never rejects. */
  async learn(wanted: Iterable<readonly [HierarchyKey, bigint]>): Promise<void> {
    const keys = new Set<HierarchyKey>();
    for (const [key, id] of wanted) if (id !== 0n && this.lookup(key, id) === '') keys.add(key);
    await Promise.all([...keys].map((key) => this.refresh(key)));
  }

  private async refresh(key: HierarchyKey): Promise<void> {
    const hierarchy = this.hierarchies.get(key);
    if (!hierarchy || this.now() - hierarchy.walkedAt < this.minWalkMs) return hierarchy?.walking ?? undefined;
    hierarchy.walkedAt = this.now();
    hierarchy.walking = this.read(hierarchy).finally(() => (hierarchy.walking = null));
    await hierarchy.walking;
  }

  private async read(hierarchy: Hierarchy): Promise<void> {
    const { directories } = await this.walk(hierarchy.mountpoint);
    const now = this.now();
    const paths: Hierarchy['paths'] = new Map();
    for (const [id, { path, goneAt }] of hierarchy.paths) {
      const gone = Math.min(goneAt, now);
      if (now - gone <= this.rememberMs) paths.set(id, { path, goneAt: gone });
    }
    for (const { path, inode } of directories) {
      paths.set(inode, { path: path.slice(hierarchy.mountpoint.length) || '/', goneAt: Infinity });
    }
    hierarchy.paths = paths;
  }
}
