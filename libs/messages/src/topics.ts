/** Topic names without the configured prefix. */
export const TOPICS = {
  profiles: 'perfleet.profiles',
  addresses: 'perfleet.addresses',
  symbols: 'perfleet.symbols',
  events: 'perfleet.events',
  alerts: 'perfleet.alerts',
  dead: 'perfleet.dead',
} as const;
export type TopicName = keyof typeof TOPICS;

export interface TopicSpec {
  readonly partitions: number;
  readonly retentionMs: number;
  readonly compacted: boolean;
}

const DAY = 86_400_000;
export const TOPIC_SPECS: Record<TopicName, TopicSpec> = {
  profiles: { partitions: 16, retentionMs: 1 * DAY, compacted: false },
  addresses: { partitions: 16, retentionMs: 7 * DAY, compacted: false },
  symbols: { partitions: 16, retentionMs: -1, compacted: true },
  events: { partitions: 4, retentionMs: 7 * DAY, compacted: false },
  // One order for all of them.
  alerts: { partitions: 1, retentionMs: 14 * DAY, compacted: false },
  dead: { partitions: 4, retentionMs: 14 * DAY, compacted: false },
};
