import { parseProcCgroup } from '@perfleet/cgroup';
import type { FilterTarget } from '@perfleet/fleet-config';
import type { PodName } from '@perfleet/pods';
import type { Window } from '@perfleet/sampler';
import type { NodeDiscovery } from '../discovery/node-discovery.ts';
import { processText, type Placement } from '../resource-labels.ts';

/** Whose samples are judged, as far as it has names. */
export interface Subject {
  readonly placement: Placement;
  readonly names: PodName | undefined;
  /** It can be told whose it is; otherwise it may be any pod's. */
  readonly attributed: boolean;
}

export interface Cgroups {
  readonly paths: readonly string[];
  /** There may be others. */
  readonly more: boolean;
}

/** @param process name of the process; undefined = whichever */
export function filterTarget(
  { placement, names, attributed }: Subject,
  process: string | undefined,
  { paths, more }: Cgroups,
): FilterTarget {
  const { podUid, containerId } = placement;
  const own = { process, cgroups: paths, moreCgroups: more };
  if (names) {
    const { namespace, pod, labels: podLabels, annotations } = names;
    // A process of the pod that is in none of its containers has none; one in a container may have to wait for its name.
    const container = names.container ?? (containerId === null ? null : undefined);
    return { ...own, namespace, pod, podLabels, annotations, container };
  }
  const nothing = podUid === null && attributed ? null : undefined;
  const ofPod = { namespace: nothing, pod: nothing, podLabels: nothing, annotations: nothing };
  return { ...own, ...ofPod, container: nothing === null ? containerId : undefined };
}

/** The cgroups that the kernel saw at the sample, and those that /proc named a moment later. */
export function cgroupsOf(window: Window, index: number, discovery: Pick<NodeDiscovery, 'cgroupPath'>): Cgroups {
  const { cgroupV1, cgroupV1Controller, cgroupV2 } = window.processes;
  const controller = window.strings[cgroupV1Controller[index]!]!;
  const paths = [
    discovery.cgroupPath('v2', cgroupV2[index]!),
    cgroupV1[index] === 0n ? '' : discovery.cgroupPath(controller, cgroupV1[index]!),
    ...parseProcCgroup(processText(window, index).cgroupFile).map(({ path }) => path),
  ].filter((path) => path !== '');
  return { paths: [...new Set(paths)], more: paths.length === 0 };
}
