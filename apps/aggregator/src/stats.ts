/** Counts since the start. */
export interface AggregatorStats {
  messages: number;
  /** Of the bodies of those messages. */
  bytes: number;
  blocks: number;
  rows: number;
  dead: number;
  duplicates: number;
  /** Samples and events whose time could not be true and was moved to the nearest that could. */
  clamped: number;
  symbols: number;
  events: number;
  /** Changes of alerts. */
  alerts: number;
  /** Offsets that retention removed before they were read. */
  skipped: number;
  errors: number;
  lastError: string;
  /** When a block was last committed; Unix milliseconds, 0 = never. */
  lastCommit: number;
  /** Messages of profiles behind the last batch that was read, by partition of this process. */
  lag: Record<string, number>;
}

export const emptyStats = (): AggregatorStats => ({
  messages: 0,
  bytes: 0,
  blocks: 0,
  rows: 0,
  dead: 0,
  duplicates: 0,
  clamped: 0,
  symbols: 0,
  events: 0,
  alerts: 0,
  skipped: 0,
  errors: 0,
  lastError: '',
  lastCommit: 0,
  lag: {},
});
