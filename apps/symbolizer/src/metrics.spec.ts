import { describe, expect, it } from 'vitest';
import { symbolizerMetrics } from './metrics.ts';
import type { SymbolizerStats } from './symbolizer-service.ts';
import { newUploadStats } from './uploads/upload-stats.ts';

const STATS: SymbolizerStats = {
  ...{ forwarded: 5, resolved: 3, unresolved: 2, reasons: { 'no-file': 2 }, skippedMessages: 0, skippedOffsets: 0 },
  ...{ errors: 0, uploads: null },
};

describe('metrics of a symbolizer', () => {
  const scrape = async (uploads: SymbolizerStats['uploads']) => {
    const text = await symbolizerMetrics(() => ({ ...STATS, uploads })).metrics();
    return text.split('\n').filter((line) => line.startsWith('perfleet_'));
  };

  it('tell what became of uploads, and how full the store is', async () => {
    const uploads = { ...newUploadStats(), leases: { granted: 4, have: 3, busy: 2, refused: 1 }, bytes: 1000 };
    const lines = await scrape({
      ...{
        ...uploads,
        stored: 3,
        refused: { hash: 1 },
        denied: 6,
        storedBinaries: 7,
        storedBytes: 900,
        quotaBytes: 5000,
      },
    });
    expect(lines).toEqual(
      expect.arrayContaining([
        'perfleet_symbolizer_upload_leases_total{answer="granted"} 4',
        'perfleet_symbolizer_upload_leases_total{answer="refused"} 1',
        'perfleet_symbolizer_uploads_refused_total{reason="hash"} 1',
        'perfleet_symbolizer_upload_denied_total 6',
        'perfleet_symbolizer_upload_bytes_total 1000',
        'perfleet_symbolizer_uploads_stored_total 3',
        'perfleet_symbolizer_binaries 7',
        'perfleet_symbolizer_binary_store_bytes 900',
        'perfleet_symbolizer_binary_store_quota_bytes 5000',
      ]),
    );
  });

  it('say nothing of uploads where none are received', async () => {
    const lines = await scrape(null);
    expect(lines).toContain('perfleet_symbolizer_resolved_total 3');
    expect(lines.filter((line) => /upload|binar/.test(line))).toEqual([]);
  });
});
