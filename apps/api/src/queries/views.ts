import type { ExportFormat } from '@perfleet/api-contract';
import { toFirefoxProfile, toFolded, toSpeedscope } from '@perfleet/profile';
import type { TimeRange } from '../http/time.ts';
import { pprofOf } from './pprof-export.ts';
import type { StackSet } from './stack-set.ts';

export interface Export {
  readonly body: string | Uint8Array;
  readonly mediaType: string;
  readonly fileName: string;
}

export async function exportOf(set: StackSet, range: TimeRange, format: ExportFormat): Promise<Export> {
  const name = `perfleet-${set.type.replace(/[^\w-]/g, '_') || 'profile'}-${range.from}`;
  switch (format) {
    case 'folded':
      return {
        body: toFolded(set.stacks, set.frames),
        mediaType: 'text/plain; charset=utf-8',
        fileName: `${name}.folded`,
      };
    case 'speedscope':
      return {
        body: JSON.stringify(toSpeedscope(set.stacks, set.frames, { name, unit: set.unit })),
        mediaType: 'application/json',
        fileName: `${name}.speedscope.json`,
      };
    case 'firefox': {
      const [startMs, durationMs] = [range.from * 1000, (range.until - range.from) * 1000];
      return {
        body: JSON.stringify(toFirefoxProfile(set.stacks, set.frames, { unit: set.unit, startMs, durationMs })),
        mediaType: 'application/json',
        fileName: `${name}.firefox.json`,
      };
    }
    case 'pprof':
      return { body: await pprofOf(set, range), mediaType: 'application/gzip', fileName: `${name}.pb.gz` };
  }
}
