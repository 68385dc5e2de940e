import type { DiscoveryMode } from '@perfleet/messages';
import type { Placement } from '../resource-labels.ts';
import type { LiveCapture } from './live-capture.ts';

export interface Evaluation {
  readonly mode: DiscoveryMode;
  readonly fallback: boolean;
  readonly reason: string;
}

/** A kubepods root of either driver. */
const POD_ROOT = /\/(kubepods|[^/]*kubepods\.slice)$/;
/** Pod segment: cgroupfs `pod<uid>`, systemd `…kubepods[-class]-pod<uid with _>.slice`; a static pod's UID is 32 hex digits. */
const POD =
  /(?:\/|kubepods[^/]*-)pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?=[/:]|$)/;
const CONTAINER = /(?:^|[/:-])([0-9a-f]{64})(?=[./:]|$)/;

/** Mode of a node: `pods` when a pod root is there or a process is in a pod, `containers-only` when a path holds a container. */
export function evaluateCapture(capture: LiveCapture, evidence: readonly string[]): Evaluation {
  const roots = capture.directories.filter((path) => POD_ROOT.test(path));
  const placements = capture.processes.map((p) => placementOf(p.procCgroup));
  const inPods = placements.filter((p) => p.podUid !== null).length;
  const inContainers = placements.filter((p) => p.containerId !== null).length;
  const denied = capture.unreadable.map(({ path, errno }) => `${path}: ${errno}`).slice(0, 3);
  if (roots.length > 0 || inPods > 0) {
    const where = roots.length > 0 ? `pod root ${roots[0]}` : `${inPods} cgroups of pods in /proc`;
    return { mode: 'pods', fallback: false, reason: where };
  }
  const why = [
    'no pod root below any cgroup mount and no process in a pod',
    ...(evidence.length > 0 ? [`though Kubernetes is evident (${evidence.join(', ')})`] : []),
    ...(denied.length > 0 ? [`not readable: ${denied.join(', ')}`] : []),
  ].join('; ');
  const fallback = evidence.length > 0;
  if (inContainers > 0)
    return { mode: 'containers-only', fallback, reason: `${inContainers} cgroups of containers; ${why}` };
  return { mode: 'whole-system', fallback, reason: why };
}

/** A line with a pod wins over one with a container, whatever their order. */
export function placementOf(procCgroup: readonly string[]): Placement {
  let container: string | null = null;
  for (const line of procCgroup) {
    const path = line.replace(/^[^:]*:[^:]*:/, '').replace(/ \(deleted\)$/, '');
    const pod = POD.exec(path);
    if (pod) {
      const rest = path.slice(pod.index + pod[0].length);
      return { podUid: pod[1]!.replaceAll('_', '-'), containerId: CONTAINER.exec(rest)?.[1] ?? null };
    }
    container ??= CONTAINER.exec(path)?.[1] ?? null;
  }
  return { podUid: null, containerId: container };
}
