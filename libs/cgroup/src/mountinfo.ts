import { normalPath, strings } from './paths.ts';

export interface CgroupMount {
  /** Mount id and its parent's, as printed. */
  readonly mountId: string;
  readonly parentId: string;
  /** major:minor of the hierarchy */
  readonly id: string;
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
  /** What of the hierarchy is mounted; begins with `/..` where it lies outside the reader's cgroup namespace. */
  readonly root: string;
  readonly mountpoint: string;
  /** Another file system is mounted over it. */
  readonly hidden: boolean;
}

/** Super-options of cgroup v1 that are not controllers. */
const OPTIONS =
  /^(?:rw|ro|xattr|noprefix|clone_children|cpuset_v2_mode|favordynmods|nofavordynmods|seclabel|none|all|release_agent=.*|.*context=.*)$/;

/** Spaces, tabs, newlines and backslashes are printed in octal. */
export function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Cgroup mounts of /proc/self/mountinfo, in its order. Hierarchies are told by type and super-options, never by names. */
export function parseMountinfo(mountinfo: unknown): CgroupMount[] {
  const lines = strings(mountinfo, 65_536).map((line) => line.trim().split(' '));
  const over = new Set(lines.map((fields) => `${fields[1]} ${fields[4]}`));
  const mounts: CgroupMount[] = [];
  for (const fields of lines) {
    const dash = fields.indexOf('-', 6);
    const type = dash < 0 ? '' : fields[dash + 1];
    if (type !== 'cgroup' && type !== 'cgroup2') continue;
    const [mountId, parentId, id, root, mountpoint] = fields as [string, string, string, string, string];
    const words = (fields[dash + 3] ?? '').split(',').filter((word) => word !== '' && !OPTIONS.test(word));
    mounts.push({
      mountId,
      parentId,
      id,
      version: type === 'cgroup2' ? 2 : 1,
      controllers: type === 'cgroup2' ? [] : words,
      root: normalPath(unescapeMount(root)),
      mountpoint: normalPath(unescapeMount(mountpoint)),
      // A mount on the same point whose parent is this mount lies over it.
      hidden: over.has(`${mountId} ${mountpoint}`),
    });
  }
  return mounts;
}
