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
