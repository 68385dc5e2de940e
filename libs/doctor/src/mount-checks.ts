import { parseMountinfo, type CgroupMount } from '@perfleet/cgroup';
import type { Finding, Machine } from './model.ts';

/** Inodes of the first namespaces, include/linux/proc_ns.h. */
const INIT_CGROUP_NAMESPACE = 0xeffffffb;
const INIT_PID_NAMESPACE = 0xeffffffc;

export async function checkCgroups(machine: Machine): Promise<Finding> {
  const mounts = parseMountinfo((await machine.readText('/proc/self/mountinfo')).split('\n'));
  const ids = new Set(mounts.map(({ id }) => id));
  if (ids.size === 0) {
    return {
      status: 'degraded',
      detail: 'no cgroup hierarchy is mounted: processes are named by /proc only',
      fix: 'mount the host’s /sys/fs/cgroup read-only',
    };
  }
  const detail = hierarchiesText(mounts);
  const outside = mounts.some(({ root }) => root.startsWith('/..'));
  const whole = await inNamespace(machine, 'cgroup', INIT_CGROUP_NAMESPACE);
  if (whole === false && !outside) {
    return {
      status: 'degraded',
      detail: `${detail}; a private cgroup namespace hides the node's pods`,
      fix: 'mount the host’s /sys/fs/cgroup, or run in the host’s cgroup namespace',
    };
  }
  return {
    status: 'pass',
    detail: whole === false ? `${detail}; the host's are mounted beside a private namespace` : detail,
  };
}

/** `v2 at /sys/fs/cgroup/unified and 2 of v1 (cpu,cpuacct; memory)`: which hierarchies are visible. */
function hierarchiesText(mounts: readonly CgroupMount[]): string {
  const v2 = mounts.filter(({ version }) => version === 2).map(({ mountpoint }) => mountpoint);
  const v1 = new Map(
    mounts.filter(({ version }) => version === 1).map(({ id, controllers }) => [id, controllers.join(',')]),
  );
  const shortest = v2.sort((a, b) => a.length - b.length)[0];
  const names = [...v1.values()].filter(Boolean).join('; ');
  return [shortest ? `v2 at ${shortest}` : '', v1.size > 0 ? `${v1.size} of v1 (${names})` : '']
    .filter(Boolean)
    .join(' and ');
}

export async function checkPidNamespace(machine: Machine): Promise<Finding> {
  const host = await inNamespace(machine, 'pid', INIT_PID_NAMESPACE);
  if (host === null) return { status: 'degraded', detail: '/proc/self/ns/pid does not say' };
  if (host) return { status: 'pass', detail: 'the host’s' };
  return { status: 'degraded', detail: 'private: processes outside cannot be named', fix: 'set hostPID: true' };
}

export async function checkTracefs(machine: Machine): Promise<Finding> {
  return checkMount(machine, 'tracefs', '/sys/kernel/tracing', 'kernel events by name are not available');
}

export async function checkBpffs(machine: Machine): Promise<Finding> {
  return checkMount(machine, 'bpf', '/sys/fs/bpf', 'programs cannot be pinned; sampling does not need it');
}

/** Neither file system is needed to sample, so a missing one never fails. */
async function checkMount(machine: Machine, type: string, usual: string, without: string): Promise<Finding> {
  const lines = (await machine.readText('/proc/self/mountinfo')).split('\n');
  const mounted = lines.find((line) => line.includes(` - ${type} `));
  if (mounted) return { status: 'pass', detail: mounted.split(' ')[4] ?? usual };
  return { status: 'degraded', detail: `not mounted: ${without}`, fix: `mount -t ${type} ${type} ${usual}` };
}

/** Null when the link cannot be read. */
async function inNamespace(machine: Machine, kind: string, inode: number): Promise<boolean | null> {
  const link = await machine.readLink(`/proc/self/ns/${kind}`).catch(() => '');
  const found = /\[(\d+)\]/.exec(link)?.[1];
  return found === undefined ? null : Number(found) === inode;
}
