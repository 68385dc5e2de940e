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
  const raw = typeof mountinfo === 'string' ? mountinfo.split('\n', 65_536) : strings(mountinfo, 65_536);
  const lines = raw.map((line) => line.trim().split(' '));
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

/**
 * The lines of /proc/self/mountinfo that a capture keeps: cgroup mounts, and what lies on or above their mountpoints.
 * Of other file systems source and options are left out: they name disks and images, and say nothing of cgroups.
 */
export function cgroupMountLines(mountinfo: string): string[] {
  const lines = mountinfo.split('\n').filter((line) => line !== '');
  const points = lines.filter((line) => CGROUP_LINE.test(line)).map(mountpointOf);
  return lines.flatMap((line) => {
    if (CGROUP_LINE.test(line)) return [line];
    const at = mountpointOf(line);
    if (at === '/' || !points.some((point) => point === at || point.startsWith(`${at}/`))) return [];
    const [before = '', after = ''] = line.split(' - ');
    const fields = before.split(' ');
    // The root of a bind mount is a path of the host.
    return [[...fields.slice(0, 3), '/', ...fields.slice(4)].join(' ') + ` - ${after.split(' ')[0]} none rw`];
  });
}

/** Which versions of cgroups a node mounts; both at once is called hybrid. */
export function cgroupVersion(mounts: ReadonlyArray<{ readonly version: 1 | 2 }>): 'v1' | 'v2' | 'hybrid' | 'none' {
  const v1 = mounts.some(({ version }) => version === 1);
  const v2 = mounts.some(({ version }) => version === 2);
  return v1 && v2 ? 'hybrid' : v1 ? 'v1' : v2 ? 'v2' : 'none';
}

const CGROUP_LINE = / - cgroup2? /;
const mountpointOf = (line: string) => line.split(' ')[4] ?? '';
