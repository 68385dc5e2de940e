import type { NodeState } from '@perfleet/messages';
import type { SamplerStats } from '@perfleet/sampler';
import type { UploaderStats } from './uploads/uploader.ts';

export interface CollectorStats {
  readonly epoch: string;
  readonly state: NodeState;
  readonly spooledBytes: number;
  readonly streamAway: boolean;
  readonly messagesSent: number;
  readonly sampler: SamplerStats | null;
  /** null when no binaries are sent. */
  readonly uploads: UploaderStats | null;
}
