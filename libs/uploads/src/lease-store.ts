import { z } from 'zod';
import { contentSchema, gnuBuildIdSchema } from './protocol.ts';

export const uploadLeaseSchema = z.object({
  /** Of the upload; made of the other fields, so that the same request leads to the same upload. */
  id: z.string().max(64),
  gnu: gnuBuildIdSchema,
  content: contentSchema,
  node: z.string().max(253),
  size: z.number(),
});
export type UploadLease = z.infer<typeof uploadLeaseSchema>;

export interface LeaseLimits {
  readonly ttlMs: number;
  /** Leases that one node may hold. */
  readonly leasesPerNode: number;
  /** Sizes of all leases that one node is granted in a day (UTC). */
  readonly bytesPerNodeAndDay: number;
}

export type LeaseResult =
  | { readonly result: 'granted' }
  /** Another upload of the same binary goes on, for so long if nothing more comes. */
  | { readonly result: 'held'; readonly forMs: number }
  | { readonly result: 'too-many-leases' }
  | { readonly result: 'over-quota' };

/** Contents that are kept apart under one build id; later ones are refused. */
export const MAX_CONTENTS = 8;

/**
 * What all symbolizers together know of uploads. Calls reject with the store's own error while it is away.
 * Times are the store's, so that the clocks of symbolizers do not matter.
 */
export interface UploadLeaseStore {
  /** One lease per build id and content, whoever asks; the same upload again prolongs it. In one step. */
  acquire(lease: UploadLease, limits: LeaseLimits): Promise<LeaseResult>;
  /** Prolongs it. @returns null when it ended */
  renew(id: string, ttlMs: number): Promise<UploadLease | null>;
  release(lease: UploadLease): Promise<void>;
  /**
   * Remembers, for ever, that this content was uploaded under this build id. The first one of a build id stays the first one, also
   * when its file is evicted.
   * @returns contents in the order in which they came; without this one when there are `MAX_CONTENTS` others
   */
  addContent(gnu: string, content: string): Promise<string[]>;
  /** In the order in which they came. */
  contents(gnu: string): Promise<string[]>;
  /** Why the last upload for a build id came to nothing, for a day. */
  refuse(gnu: string, reason: string): Promise<void>;
  refusal(gnu: string): Promise<string | null>;
}

export const REFUSAL_MS = 86_400_000;
export const DAY_MS = 86_400_000;
