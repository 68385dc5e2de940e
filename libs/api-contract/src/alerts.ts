/** What an alert can be about, in the order in which a node's are listed. */
export const ALERT_KINDS = [
  'silent',
  'two-epochs',
  'crash-loop',
  'fallback',
  'rung',
  'kubelet-mismatch',
  'loss',
  'unattributed',
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** GET alerts. A node may have several. Times are Unix milliseconds. */
export interface Alert {
  /** The same condition of the same node has the same id. */
  readonly id: string;
  readonly kind: AlertKind;
  readonly node: string;
  readonly cluster: string;
  readonly severity: 'warning' | 'critical';
  /** pending: true, but not yet for as long as its rule asks. resolved: no longer true; shown for an hour. */
  readonly state: 'pending' | 'firing' | 'resolved';
  /** The condition holds since. */
  readonly since: number;
  /** null unless firing or resolved. */
  readonly firedAt: number | null;
  readonly resolvedAt: number | null;
  readonly reason: string;
  readonly acknowledged: { readonly by: string; readonly at: number; readonly comment: string } | null;
  /** The silence that matches and ends last. */
  readonly silenced: {
    readonly id: string;
    readonly until: number;
    readonly by: string;
    readonly comment: string;
  } | null;
}
export interface AlertsResponse {
  readonly alerts: readonly Alert[];
  /** Kinds that cannot be judged right now because the profile store does not answer; their alerts stand as they were. */
  readonly unknown: readonly AlertKind[];
}

/** POST alerts/:id/acknowledge; DELETE takes it back. */
export interface AcknowledgeRequest {
  readonly by?: string;
  readonly comment?: string;
}

/** POST silences. An empty or missing matcher matches everything; `node` may hold `*`. */
export interface SilenceRequest {
  readonly kind?: string;
  readonly node?: string;
  readonly cluster?: string;
  /** From now; at most 30 days. */
  readonly minutes: number;
  readonly by?: string;
  readonly comment?: string;
}
export interface SilenceSummary {
  readonly id: string;
  readonly kind: string;
  readonly node: string;
  readonly cluster: string;
  readonly createdAt: number;
  readonly until: number;
  readonly by: string;
  readonly comment: string;
}
/** GET silences */
export interface SilencesResponse {
  readonly silences: readonly SilenceSummary[];
}

/** GET alerts/history?limit : newest first. */
export interface AlertHistoryResponse {
  readonly history: ReadonlyArray<{
    readonly time: number;
    readonly alert: string;
    readonly kind: string;
    readonly node: string;
    readonly cluster: string;
    readonly what: string;
    readonly detail: string;
  }>;
}
