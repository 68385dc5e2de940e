import { basename } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encodePprof, type PprofFrame, type PprofMapping } from '@perfleet/pprof';
import { FrameTable, StackTable, toFirefoxProfile, toFolded, toSpeedscope } from '@perfleet/profile';
import type { Recording } from './recording.ts';
import type { NamedLine } from './symbolize.ts';

export type RecordingFormat = 'pprof' | 'folded' | 'speedscope' | 'firefox';

/** The format that a file's name asks for. */
export function formatOf(path: string): RecordingFormat {
  if (/\.(pb\.gz|pprof)$/.test(path)) return 'pprof';
  if (path.endsWith('.folded')) return 'folded';
  if (path.endsWith('.speedscope.json')) return 'speedscope';
  if (path.endsWith('.firefox.json')) return 'firefox';
  throw new Error(`${path}: the name must end in .pb.gz (pprof), .folded, .speedscope.json or .firefox.json`);
}

/** @param names lines per frame of the recording, innermost first */
export function encodeRecording(
  format: RecordingFormat,
  recording: Recording,
  names: readonly NamedLine[][],
): Uint8Array {
  return format === 'pprof' ? gzipSync(pprof(recording, names)) : Buffer.from(text(format, recording, names));
}

function pprof(recording: Recording, names: readonly NamedLine[][]): Uint8Array {
  const mappings = new Map<string, PprofMapping>();
  for (const { id, path, gnuBuildId } of recording.binaries.values()) mappings.set(id, { path, buildId: gnuBuildId });
  const frames = recording.frames.map((frame, i): PprofFrame => {
    const lines = names[i]!.map(({ functionName, file, line }) => ({ function: functionName, file, line }));
    return frame.binary ? { lines, address: frame.address, mapping: mappings.get(frame.binary.id)! } : { lines };
  });
  return encodePprof({
    sampleTypes: [
      { type: 'samples', unit: 'count' },
      { type: 'cpu', unit: 'nanoseconds' },
      ...(recording.offCpu ? [{ type: 'off_cpu', unit: 'nanoseconds' }] : []),
    ],
    periodType: { type: 'cpu', unit: 'nanoseconds' },
    period: recording.periodNano,
    timeNanos: recording.startNano,
    durationNanos: recording.endNano - recording.startNano,
    samples: [...recording.samples].map((sample) => ({
      stack: sample.stack.map((frame) => frames[frame]!),
      values: [
        sample.count,
        BigInt(sample.count) * recording.periodNano,
        ...(recording.offCpu ? [sample.offCpuNano] : []),
      ],
      labels: [
        ['process', sample.process],
        ['pid', sample.pid],
        ['thread', sample.thread],
      ],
    })),
  });
}

/**
 * Counts of samples (Firefox Profiler: nanoseconds of CPU time), root first, below the process's name. These formats have one value: of a
 * recording of blocked time it is that, in nanoseconds.
 */
function text(format: Exclude<RecordingFormat, 'pprof'>, recording: Recording, names: readonly NamedLine[][]): string {
  const frames = new FrameTable();
  const stacks = new StackTable();
  const rows = recording.frames.map(({ kind, binary }, i) => {
    const module = binary ? basename(binary.path) : '';
    const last = names[i]!.length - 1;
    return names[i]!.map(({ functionName, file, line }, n) =>
      frames.add({ name: functionName, file, line, module, kind, inlined: n < last }),
    );
  });
  for (const { process, stack, count, offCpuNano } of recording.samples) {
    const cpu = format === 'firefox' ? count * Number(recording.periodNano) : count;
    const value = recording.offCpu ? Number(offCpuNano) : cpu;
    if (value === 0) continue;
    const path = stack.flatMap((frame) => rows[frame]!);
    path.push(frames.add({ name: process, file: '', line: 0, module: '', kind: 'process', inlined: false }));
    stacks.add(path.reverse(), value);
  }
  if (format === 'folded') return toFolded(stacks.columns(), frames.columns());
  if (format === 'firefox') {
    const [start, end] = [recording.startNano, recording.endNano].map((nano) => Number(nano) / 1e6) as [number, number];
    const about = { unit: 'nanoseconds', startMs: start, durationMs: end - start };
    return JSON.stringify(toFirefoxProfile(stacks.columns(), frames.columns(), about));
  }
  const unit = recording.offCpu ? 'nanoseconds' : 'count';
  return JSON.stringify(toSpeedscope(stacks.columns(), frames.columns(), { name: 'perfleet record', unit }));
}
