import { ATTRIBUTION } from '@perfleet/messages';
import type { PodName } from '@perfleet/pods';
import type { Window } from '@perfleet/sampler';

/** Where a process runs, as its cgroup says; null = not in one. */
export interface Placement {
  readonly podUid: string | null;
  readonly containerId: string | null;
}

/** OTLP resource attributes, empty values left out. */
export type ResourceLabels = ReadonlyArray<readonly [string, string]>;

/** Service: annotation or owner workload, else container, else executable. Never a pid: labels make series. */
export function resourceLabels(
  node: { readonly node: string; readonly cluster: string },
  process: { readonly comm: string; readonly executable: string },
  placement: Placement,
  names: PodName | undefined,
  attributed = true,
): ResourceLabels {
  const name = processName(process.executable, process.comm);
  const labels: Array<readonly [string, string]> = [
    ['service.name', names?.service || names?.container || name],
    ['k8s.cluster.name', node.cluster],
    ['k8s.node.name', placement.podUid ? node.node : ''],
    ['host.name', node.node],
    ['k8s.namespace.name', names?.namespace ?? ''],
    ['k8s.pod.name', names?.pod ?? ''],
    ['k8s.pod.uid', placement.podUid ?? ''],
    ['k8s.container.name', names?.container ?? ''],
    ['container.id', placement.containerId ?? ''],
    ['process.executable.name', name],
    ['process.executable.path', process.executable],
    [ATTRIBUTION, attributed ? '' : 'none'],
  ];
  return labels.filter(([, value]) => value !== '').map(([key, value]) => [key, value.slice(0, 1024)] as const);
}

/**
 * Whether it can be told whose a process is. While the node is in fallback a process without a container may be any pod's;
 * one that ended before its cgroup was read may be too.
 */
export function isAttributed(placement: Placement, cgroupFile: string, fallback: boolean): boolean {
  if (placement.podUid !== null || placement.containerId !== null) return true;
  return !fallback && cgroupFile !== '';
}

/**
 * Base name of the executable. A kernel thread has none: its name without what numbers it
 * (`kworker/u4:2-events` is `kworker`), because every number would be a series.
 */
export function processName(executable: string, comm: string): string {
  const base = executable
    .replace(/ \(deleted\)$/, '')
    .split('/')
    .pop();
  return base || comm.replace(/[/:].*$/, '') || comm || 'unknown';
}

export function processText(window: Window, index: number): { comm: string; executable: string; cgroupFile: string } {
  const { comm, executable, cgroupFile } = window.processes;
  const text = (column: Uint32Array) => window.strings[column[index]!]!;
  return { comm: text(comm), executable: text(executable), cgroupFile: text(cgroupFile) };
}
