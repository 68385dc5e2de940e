import { containerInPod, containerOutsidePods } from './container-segment.ts';
import type { ProcessAttribution } from './model.ts';
import { parseProcCgroup, segmentsOf } from './paths.ts';
import { findPod } from './pod-segment.ts';

export const NOBODY: ProcessAttribution = {
  podUid: null,
  containerId: null,
  qos: null,
  runtime: null,
  infra: false,
};

/**
 * Names a process from /proc/PID/cgroup alone, so no mount is needed. Never throws.
 *
 * Every line is looked at: with cgroup v1 some controllers leave all tasks at `/`, and on hybrid nodes the `0::` line
 * may be the runtime's own service, the same for every container.
 */
export function attributeProcess(procCgroup: readonly string[] | string): ProcessAttribution {
  let best = NOBODY;
  let infra: ProcessAttribution | null = null;
  for (const { path } of parseProcCgroup(procCgroup)) {
    const found = attributePath(path);
    if (rank(found) > rank(best)) best = found;
    if (found.infra) infra ??= found;
  }
  // One hierarchy knows the pod and another one says that it is the pod's conmon.
  if (infra && best.containerId === null && !best.infra) return { ...best, runtime: infra.runtime, infra: true };
  return best;
}

/** The same for one path inside a hierarchy. */
export function attributePath(path: string): ProcessAttribution {
  const segments = segmentsOf(path);
  const pod = findPod(segments);
  const { id, runtime, infra } = pod
    ? containerInPod(pod.colonSuffix ?? segments[pod.index + 1])
    : containerOutsidePods(segments);
  return { podUid: pod?.uid ?? null, containerId: id, qos: pod?.qos ?? null, runtime, infra };
}

/** A pod before everything; then a container, then a runtime's process, then a known class. */
function rank({ podUid, containerId, qos, infra }: ProcessAttribution): number {
  return (podUid !== null ? 8 : 0) + (containerId !== null ? 4 : 0) + (infra ? 2 : 0) + (qos !== null ? 1 : 0);
}
