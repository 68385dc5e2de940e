import type { TimeRange } from '../http/time.ts';
import { pprofOf } from './pprof-export.ts';
import type { StackSet } from './stack-set.ts';

export { diffOf, flameGraphOf, topOf } from './flame-graph.ts';

export const EXPORT_FORMATS = ['pprof', 'folded', 'speedscope'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface Export {
  readonly body: string | Uint8Array;
  readonly mediaType: string;
  readonly fileName: string;
}

export async function exportOf(set: StackSet, range: TimeRange, format: ExportFormat): Promise<Export> {
  const name = `perfleet-${set.type.replace(/[^\w-]/g, '_') || 'profile'}-${range.from}`;
  switch (format) {
    case 'folded':
      return { body: foldedOf(set), mediaType: 'text/plain; charset=utf-8', fileName: `${name}.folded` };
    case 'speedscope':
      return {
        body: JSON.stringify(speedscopeOf(set, name)),
        mediaType: 'application/json',
        fileName: `${name}.speedscope.json`,
      };
    case 'pprof':
      return { body: await pprofOf(set, range), mediaType: 'application/gzip', fileName: `${name}.pb.gz` };
  }
}

/** `root;…;leaf value`, one line a stack, sorted; `;` and line breaks inside names become `:` and a space. */
function foldedOf(set: StackSet): string {
  const lines = new Map<string, number>();
  for (const { frames, value } of set.stacks) {
    const line = frames.map((f) => f.name.replaceAll(';', ':').replace(/[\r\n]+/g, ' ')).join(';');
    lines.set(line, (lines.get(line) ?? 0) + value);
  }
  return [...lines]
    .map(([line, value]) => `${line} ${value}\n`)
    .sort()
    .join('');
}

/** https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources */
function speedscopeOf(set: StackSet, name: string): unknown {
  const index = new Map<string, number>();
  const frames: Array<{ name: string; file?: string }> = [];
  const indexOf = (f: { name: string; file: string }) => {
    const key = `${f.name}\0${f.file}`;
    let at = index.get(key);
    if (at === undefined) {
      at = frames.push(f.file ? { name: f.name, file: f.file } : { name: f.name }) - 1;
      index.set(key, at);
    }
    return at;
  };
  const samples = set.stacks.map((s) => s.frames.map(indexOf));
  const weights = set.stacks.map((s) => s.value);
  const unit = set.unit === 'nanoseconds' || set.unit === 'bytes' ? set.unit : 'none';
  return {
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    exporter: 'perfleet',
    name,
    shared: { frames },
    profiles: [
      { type: 'sampled', name: set.type || 'profile', unit, startValue: 0, endValue: set.total, samples, weights },
    ],
  };
}
