import type { LiveCapture } from './live-capture.ts';

/** Process names that explain a layout and tell nothing about whose node it is. */
const WELL_KNOWN =
  /^(?:systemd(?:-\w+)?|init|kthreadd|kubelet|kubelite|k3s(?:-\w+)?|k0s|rke2|crio|containerd(?:-shim.*)?|dockerd|docker-proxy|conmon|podman|pause|runc|crun|runsc|lxc-start|nomad|ecs-agent|garden|perfleet.*)$/;

/**
 * A capture fit for a bug report: neither environment nor command lines are in it to begin with; names of other
 * people's processes become numbers, and the host's name is taken out of paths. It replays to the same answer.
 */
export function shareableCapture(capture: LiveCapture, hostname: string): LiveCapture {
  const hide = hostnameFilter(hostname);
  const hideAll = (lines: readonly string[]) => lines.map(hide);
  return {
    name: 'capture',
    mountinfo: hideAll(capture.mountinfo),
    mountpointInodes: Object.fromEntries(
      Object.entries(capture.mountpointInodes).map(([path, inode]) => [hide(path), inode]),
    ),
    directories: hideAll(capture.directories).sort(),
    unreadable: capture.unreadable.map(({ path, errno }) => ({ path: hide(path), errno })),
    selfProcCgroup: hideAll(capture.selfProcCgroup),
    processes: capture.processes.map(({ name, procCgroup }, i) => ({
      name: WELL_KNOWN.test(name) ? name : `process ${i + 1}`,
      procCgroup: hideAll(procCgroup),
    })),
  };
}

/** Words that a path means something by; a host of such a name gives nothing away. */
const VOCABULARY =
  /^(?:cgroup|sys|fs|unified|cpu|cpuset|memory|pids|devices|freezer|blkio|systemd|kubepods|burstable|besteffort|kubelet|docker|crio|containerd|libpod|machine|system|user|slice|scope|service|lxc|payload|garden|nomad|ecs|localhost)$/;

/** Whole words only: a host called `web` must not break `/webhook` into something else. */
function hostnameFilter(hostname: string): (text: string) => string {
  const names = [hostname, hostname.split('.')[0]!].filter(
    (name) => name.length >= 2 && !/^\d+$/.test(name) && !VOCABULARY.test(name),
  );
  if (names.length === 0) return (text) => text;
  const escaped = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`(?<!\\w)(?:${escaped.join('|')})(?!\\w)`, 'g');
  return (text) => text.replace(pattern, 'host');
}
