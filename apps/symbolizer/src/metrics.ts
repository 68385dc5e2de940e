import { statsRegistry, type StatMetric } from '@perfleet/observability';
import type { SymbolizerStats } from './symbolizer-service.ts';

type Metric = StatMetric<SymbolizerStats>;

const counter = (name: string, help: string, value: Metric['value'], label?: string): Metric => ({
  name: `perfleet_symbolizer_${name}_total`,
  help,
  kind: 'counter',
  value,
  ...(label === undefined ? {} : { label }),
});

const METRICS: readonly Metric[] = [
  counter('forwarded', 'Addresses that were seen first and handed to the owner of their binary', (s) => s.forwarded),
  counter('resolved', 'Addresses that got a name', (s) => s.resolved),
  counter('unresolved', 'Addresses that got none yet', (s) => s.unresolved),
  counter('reasons', 'Why addresses were published without a name', (s) => s.reasons, 'reason'),
  counter('skipped_messages', 'Messages that could not be decoded', (s) => s.skippedMessages),
  counter('skipped', 'Offsets that retention removed before they were read', (s) => s.skippedOffsets),
  counter('errors', 'Attempts that failed and are made again', (s) => s.errors),
];

/** What a scrape of a symbolizer answers. */
export const symbolizerMetrics = (stats: () => SymbolizerStats) => statsRegistry(stats, METRICS);
