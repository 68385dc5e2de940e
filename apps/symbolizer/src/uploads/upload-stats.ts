import type { Refusal } from './upload-error.ts';

/** Counts since the start of this instance. */
export interface UploadStats {
  /** Answers to who asked for a lease. */
  readonly leases: Record<'granted' | 'have' | 'busy' | 'refused', number>;
  readonly chunks: number;
  /** Of chunks, as they came. */
  readonly bytes: number;
  readonly stored: number;
  /** Uploads that carry a build id of other code. */
  readonly conflicts: number;
  readonly refused: Partial<Record<Refusal, number>>;
  /** Objects of the store that were not what was put. */
  readonly corrupt: number;
  /** Requests without a token that allows them. */
  readonly denied: number;
  /** What the store holds, as of the last sweep. */
  readonly storedBinaries: number;
  readonly storedBytes: number;
  readonly evicted: number;
  /** What the store may hold. */
  readonly quotaBytes: number;
}

export type MutableUploadStats = { -readonly [K in keyof UploadStats]: UploadStats[K] };

export function newUploadStats(): MutableUploadStats {
  return {
    ...{ leases: { granted: 0, have: 0, busy: 0, refused: 0 }, chunks: 0, bytes: 0, stored: 0, conflicts: 0 },
    ...{ refused: {}, corrupt: 0, denied: 0, storedBinaries: 0, storedBytes: 0, evicted: 0, quotaBytes: 0 },
  };
}
