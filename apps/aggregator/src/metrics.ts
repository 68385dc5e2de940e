import { statsRegistry, type StatMetric } from '@perfleet/observability';
import type { AggregatorStats } from './stats.ts';

type Metric = StatMetric<AggregatorStats>;

const counter = (name: string, help: string, value: Metric['value']): Metric => ({
  name: `perfleet_aggregator_${name}_total`,
  help,
  kind: 'counter',
  value,
});

const METRICS: readonly Metric[] = [
  counter('messages', 'Messages of profiles that were stored or are in dead', (s) => s.messages),
  counter('bytes', 'Bytes of those messages', (s) => s.bytes),
  counter('blocks', 'Blocks of profiles that were written', (s) => s.blocks),
  counter('rows', 'Rows of samples that were written', (s) => s.rows),
  counter('symbols', 'Resolved frames that were written', (s) => s.symbols),
  counter('events', 'Node events that were written', (s) => s.events),
  counter('dead', 'Messages that could not be used', (s) => s.dead),
  counter('duplicates', 'Messages that were stored already', (s) => s.duplicates),
  counter('clamped', 'Samples and events whose time could not be true', (s) => s.clamped),
  counter('skipped', 'Offsets that retention removed before they were read', (s) => s.skipped),
  counter('errors', 'Attempts to write a block that failed', (s) => s.errors),
  {
    name: 'perfleet_aggregator_lag_messages',
    help: 'Messages of profiles in the stream behind the last batch that was read, by partition',
    kind: 'gauge',
    label: 'partition',
    value: (s) => s.lag,
  },
  {
    name: 'perfleet_aggregator_last_commit_timestamp_seconds',
    help: 'When a block of profiles was last written; 0: not yet',
    kind: 'gauge',
    value: (s) => s.lastCommit / 1000,
  },
];

/** What a scrape of an aggregator answers. */
export const aggregatorMetrics = (stats: () => AggregatorStats) => statsRegistry(stats, METRICS);
