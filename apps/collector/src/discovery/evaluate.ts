import type { DiscoveryMode } from '@perfleet/messages';
import type { Placement } from '../resource-labels.ts';
import type { LiveCapture } from './live-capture.ts';

/** Interim. */
export function evaluateCapture(
  capture: LiveCapture,
  evidence: readonly string[],
): { mode: DiscoveryMode; fallback: boolean; reason: string } {
  const placements = capture.processes.map((p) => placementOf(p.procCgroup));
  const mode = placements.some((p) => p.podUid)
    ? 'pods'
    : placements.some((p) => p.containerId)
      ? 'containers-only'
      : 'whole-system';
  return { mode, fallback: mode !== 'pods' && evidence.length > 0, reason: `no pods in ${placements.length} cgroups` };
}

export function placementOf(procCgroup: readonly string[]): Placement {
  for (const line of procCgroup) {
    const pod = /pod([0-9a-f]{8}[-_][0-9a-f_-]{27})/.exec(line);
    const container = /([0-9a-f]{64})/.exec(line);
    if (pod || container)
      return { podUid: pod?.[1]?.replaceAll('_', '-') ?? null, containerId: container?.[1] ?? null };
  }
  return { podUid: null, containerId: null };
}
