import { statsRegistry, type StatMetric } from '@perfleet/observability';
import type { SymbolizerStats } from './symbolizer-service.ts';
import type { UploadStats } from './uploads/upload-stats.ts';

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

const upload = (
  name: string,
  help: string,
  value: (uploads: UploadStats) => ReturnType<Metric['value']>,
  { kind = 'counter', label }: Partial<Pick<Metric, 'kind' | 'label'>> = {},
): Metric => ({
  ...{ name: `perfleet_symbolizer_${name}${kind === 'counter' ? '_total' : ''}`, help, kind },
  value: ({ uploads }) => (uploads ? value(uploads) : {}),
  ...(label === undefined ? {} : { label }),
});
const gauge = { kind: 'gauge' } as const;

const UPLOAD_METRICS: readonly Metric[] = [
  upload('upload_leases', 'Answers to nodes that offered a binary', (u) => u.leases, { label: 'answer' }),
  upload('uploads_refused', 'Offers and uploads that came to nothing', (u) => u.refused, { label: 'reason' }),
  upload('upload_denied', 'Requests without a token that allows them', (u) => u.denied),
  upload('upload_chunks', 'Chunks of binaries that were taken', (u) => u.chunks),
  upload('upload_bytes', 'Bytes of chunks, compressed, as they came', (u) => u.bytes),
  upload('uploads_stored', 'Binaries that were stored', (u) => u.stored),
  upload('upload_conflicts', 'Stored binaries whose build id other code carries too', (u) => u.conflicts),
  upload('binaries_corrupt', 'Objects of the store that were not what was put', (u) => u.corrupt),
  upload('binaries_evicted', 'Binaries that quota or retention removed', (u) => u.evicted),
  upload('binaries', 'Binaries in the store, as of the last sweep', (u) => u.storedBinaries, gauge),
  upload('binary_store_bytes', 'Bytes in the store, as of the last sweep', (u) => u.storedBytes, gauge),
  upload('binary_store_quota_bytes', 'Bytes that the store may hold', (u) => u.quotaBytes, gauge),
];

/** What a scrape of a symbolizer answers; nothing of uploads where none are received. */
export const symbolizerMetrics = (stats: () => SymbolizerStats) =>
  statsRegistry(stats, stats().uploads ? [...METRICS, ...UPLOAD_METRICS] : METRICS);
