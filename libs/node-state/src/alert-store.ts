import { z } from 'zod';
import type { AlertRecovery } from './alert-recovery.ts';

const text = (max: number) => z.string().max(max);

/** One alert of one node, as the replica that leads last decided. Times are Unix milliseconds. */
export const alertRecordSchema = z.object({
  /** `KIND/CLUSTER/NODE` hashed; the same condition of the same node is the same alert. */
  id: text(64),
  kind: text(64),
  node: text(253),
  cluster: text(253),
  severity: z.enum(['warning', 'critical']),
  /** pending: true, but not yet for as long as its rule asks. */
  status: z.enum(['pending', 'firing', 'resolved']),
  reason: text(4000),
  /** The condition holds since. */
  since: z.number(),
  /** 0 while pending. */
  firedAt: z.number(),
  /** 0 unless resolved. */
  resolvedAt: z.number(),
  /** Per receiver: what it was last told and when. Whatever differs from `status` is still to be delivered. */
  told: z.record(text(64), z.object({ status: z.enum(['firing', 'resolved']), at: z.number() })).default({}),
});
export type AlertRecord = z.infer<typeof alertRecordSchema>;

/** Somebody looks after this occurrence of an alert; it ends with the occurrence. */
export const acknowledgementSchema = z.object({
  alert: text(64),
  /** `firedAt` or, while pending, `since` of the occurrence. */
  occurrence: z.number(),
  at: z.number(),
  by: text(200),
  comment: text(2000),
});
export type Acknowledgement = z.infer<typeof acknowledgementSchema>;

/** Alerts that match are shown and not delivered, until `until`. An empty matcher matches everything. */
export const silenceSchema = z.object({
  id: text(64),
  kind: text(64),
  /** A node's name; `*` stands for any run of characters. */
  node: text(253),
  cluster: text(253),
  createdAt: z.number(),
  until: z.number(),
  by: text(200),
  comment: text(2000),
});
export type Silence = z.infer<typeof silenceSchema>;

/** A change that an operator may ask for later. */
export const alertHistorySchema = z.object({
  time: z.number(),
  alert: text(64),
  kind: text(64),
  node: text(253),
  cluster: text(253),
  what: z.enum([
    'firing',
    'resolved',
    'acknowledged',
    'unacknowledged',
    'delivered',
    'failed',
    'silenced',
    'unsilenced',
  ]),
  detail: text(4000),
});
export type AlertHistoryEntry = z.infer<typeof alertHistorySchema>;

export interface AlertChanges {
  readonly put: readonly AlertRecord[];
  /** Ids. */
  readonly remove: readonly string[];
  readonly history: readonly AlertHistoryEntry[];
}

/** Entries of the history that are kept, the newest. */
export const HISTORY_LIMIT = 10_000;

/**
 * Alerts of the fleet, shared by all replicas of the api. One replica leads: only it decides what fires and delivers,
 * and its writes count only while it still leads, so that one that stood still for a while cannot overwrite the next.
 */
export interface AlertStore extends AlertRecovery {
  /** Takes the lease or prolongs it. @returns whether `owner` leads now, for `ttlMs` */
  lead(owner: string, ttlMs: number): Promise<boolean>;
  /** Gives the lease back, if `owner` has it. */
  resign(owner: string): Promise<void>;
  records(): Promise<AlertRecord[]>;
  /** All of it or nothing, in one step. @returns false when `owner` does not lead: nothing was written */
  commit(owner: string, changes: AlertChanges): Promise<boolean>;
  acknowledgements(): Promise<Acknowledgement[]>;
  acknowledge(acknowledgement: Acknowledgement): Promise<void>;
  unacknowledge(alert: string): Promise<void>;
  /** Those that have ended are left out. */
  silences(): Promise<Silence[]>;
  putSilence(silence: Silence): Promise<void>;
  removeSilence(id: string): Promise<void>;
  /** What somebody other than the leader did. */
  remember(entry: AlertHistoryEntry): Promise<void>;
  /** Newest first. */
  history(limit: number): Promise<AlertHistoryEntry[]>;
}
