import type { DirectoryTree } from './directory-tree.ts';
import type { Hierarchy } from './model.ts';
import type { CgroupMount } from './mountinfo.ts';

/** Mounts of one hierarchy, the best first. */
export interface MountGroup {
  readonly id: string;
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
  /** Mounts that can be listed. */
  readonly usable: readonly CgroupMount[];
  readonly rejected: ReadonlyArray<readonly [CgroupMount, string]>;
}

/**
 * Groups mounts by hierarchy and orders each group: the mountpoint whose inode is 1 shows the whole hierarchy,
 * whatever its mountinfo root says; then mounts from outside the own cgroup namespace; then the own namespace;
 * then parts. Leaked mounts of containers repeat a hierarchy at longer paths.
 */
export function groupMounts(mounts: readonly CgroupMount[], inodes: unknown, tree: DirectoryTree): MountGroup[] {
  const groups = new Map<string, CgroupMount[]>();
  for (const mount of mounts) {
    const group = groups.get(mount.id);
    if (group) group.push(mount);
    else groups.set(mount.id, [mount]);
  }
  return [...groups].map(([id, members]) => {
    const ranked = members
      .map((mount) => ({ mount, rank: rankOf(mount, inodes) }))
      .sort((a, b) => a.rank - b.rank || a.mount.mountpoint.length - b.mount.mountpoint.length);
    const usable: CgroupMount[] = [];
    const rejected: Array<readonly [CgroupMount, string]> = [];
    for (const { mount } of ranked) {
      const error = tree.errorOf(mount.mountpoint);
      if (mount.hidden) rejected.push([mount, 'another file system is mounted over it']);
      else if (error) rejected.push([mount, `cannot be listed: ${error}`]);
      else usable.push(mount);
    }
    const { version } = members[0]!;
    const controllers = [...new Set(members.flatMap((mount) => mount.controllers))];
    return { id, version, controllers, usable, rejected };
  });
}

function rankOf(mount: CgroupMount, inodes: unknown): number {
  const known = typeof inodes === 'object' && inodes !== null ? (inodes as Record<string, unknown>) : {};
  const inode = Object.hasOwn(known, mount.mountpoint) ? Number(known[mount.mountpoint]) : NaN;
  if (inode === 1 || (Number.isNaN(inode) && mount.root === '/')) return 0;
  if (mount.root.startsWith('/..')) return 1;
  return mount.root === '/' ? 2 : 3;
}

/** For people and for `discover --json`: the mount in use and the ones that are not, with the reason. */
export function describeGroup(group: MountGroup, used: CgroupMount | null): Hierarchy[] {
  const { id, version, controllers } = group;
  const rest: Array<readonly [CgroupMount, string]> = group.usable
    .filter((mount) => mount !== used)
    .map((mount) => [mount, used ? whyNot(mount, used) : 'not needed']);
  return [
    ...(used ? [{ id, version, controllers, mountpoint: used.mountpoint, root: used.root }] : []),
    ...[...rest, ...group.rejected].map(([mount, rejected]) => ({
      id,
      version,
      controllers,
      mountpoint: mount.mountpoint,
      root: mount.root,
      rejected,
    })),
  ];
}

function whyNot(mount: CgroupMount, used: CgroupMount): string {
  if (mount.root !== '/' && !mount.root.startsWith('/..')) return `shows ${mount.root} only`;
  return `${used.mountpoint} shows the same hierarchy`;
}
