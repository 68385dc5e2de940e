import { cpus, release } from 'node:os';
import type { LossCounts, NodeState } from '@perfleet/messages';
import type { SupervisorState } from '@perfleet/sampler';
import type { CollectorDeps } from './collector-deps.ts';
import type { ControlState } from './control/node-control.ts';
import type { DiscoveryState } from './discovery/node-discovery.ts';
import { toldState } from './discovery/told-state.ts';
import type { EpochCounts } from './spool.ts';
import type { UploaderStats } from './uploads/uploader.ts';
import { podNamesNote } from './window-naming.ts';

/** What the parts of a collector say of themselves. */
export interface OwnParts {
  readonly epoch: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly discovery: DiscoveryState;
  readonly sampler: SupervisorState;
  readonly control: ControlState;
  /** null before the spool is open and after it is closed. */
  readonly counts: EpochCounts | null;
  /** null when no binaries are sent. */
  readonly uploads: UploaderStats | null;
}

/** What the node says of itself now: one word out of those of its parts, each text in bounds. */
export function ownState(
  { node, cluster, version = '', podNames }: Pick<CollectorDeps, 'node' | 'cluster' | 'version' | 'podNames'>,
  { epoch, startedAt, discovery, sampler, control, counts, uploads }: OwnParts,
): NodeState {
  const { mode, fallback } = discovery;
  const names = podNamesNote(podNames?.status() ?? [], mode);
  const reason = names ? `${discovery.reason}; ${names}` : discovery.reason;
  const { rung, reason: rungReason, restarts, lastExit, hello } = sampler;
  return {
    ...{ node, cluster, version, epoch, startedAt, updatedAt: Date.now() },
    ...{ mode, fallback, modeReason: reason.slice(0, 2000), ...toldState(discovery) },
    ...{ rung, rungReason: rungReason.slice(0, 2000), restarts, lastExit: lastExit.slice(0, 500) },
    ...control,
    ...{ kernel: hello?.kernel.slice(0, 200) || release(), cpus: hello?.cpus || cpus().length, clockSkewMs: 0 },
    ...{ taken: counts?.taken ?? 0, published: counts?.stored ?? 0, lost: (counts?.lost ?? {}) as LossCounts },
    ...(uploads ? { uploads } : {}),
  } as NodeState;
}
