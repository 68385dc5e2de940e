import type { Acknowledgement, AlertHistoryEntry, AlertRecord, Silence } from './alert-store.ts';

/** What the alert store is made of. */
export interface AlertItems {
  readonly records: readonly AlertRecord[];
  readonly acknowledgements: readonly Acknowledgement[];
  /** Those that have ended are left out. */
  readonly silences: readonly Silence[];
  /** Newest first. */
  readonly history: readonly AlertHistoryEntry[];
}

export interface AlertSnapshot extends AlertItems {
  /** false: the store is new, or it lost everything. What it lacks then is not removed but missing. */
  readonly complete: boolean;
}

/** For whoever keeps a copy of the alerts elsewhere, and gives it back to a store that lost everything. */
export interface AlertRecovery {
  /** All of it, read in one step. */
  snapshot(historyLimit: number): Promise<AlertSnapshot>;
  /**
   * Adds what is not there (what was done meanwhile is newer) and marks the store as complete, in one step.
   * @returns false when it was complete: nothing was changed
   */
  restore(items: AlertItems): Promise<boolean>;
}
