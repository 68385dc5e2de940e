import { FIREFOX_FORMAT, type FirefoxProfile, type FirefoxWeight } from './firefox-format.ts';
import { Libs, Sources } from './firefox-shared.ts';
import { FirefoxThread } from './firefox-thread.ts';
import { namesOf, StringTable, type FrameColumns } from './frame-table.ts';
import type { StackColumns } from './stack-table.ts';

/** Processes with a track of their own, the largest; the viewer does not cope with thousands. */
const MAX_TRACKS = 100;
const OTHERS = '(other processes)';

export interface FirefoxAbout {
  /** Of the values: nanoseconds become milliseconds, bytes stay, anything else counts as samples. */
  readonly unit: string;
  /** Unix milliseconds of the first sample. */
  readonly startMs: number;
  /** Length of the recording in milliseconds. */
  readonly durationMs: number;
}

/**
 * The processed format of https://profiler.firefox.com, version 58, which newer viewers upgrade by themselves. Every process is a
 * track. Samples have weights and no times of their own: they stand one after another, as long as they weigh.
 * @param stacks the first frame of each is the process
 */
export function toFirefoxProfile(stacks: StackColumns, frames: FrameColumns, about: FirefoxAbout): FirefoxProfile {
  const shared = { strings: new StringTable(), sources: new Sources(), libs: new Libs() };
  const weight = weightOf(about.unit);
  const threads = new Map<string, FirefoxThread>();
  const tracks = largestProcesses(stacks, frames);
  for (let row = 0; row < stacks.values.length; row++) {
    const [from, to] = [stacks.offsets[row]!, stacks.offsets[row + 1]!];
    const process = processName(stacks, frames, row);
    const name = tracks.has(process) ? process : OTHERS;
    let thread = threads.get(name);
    if (!thread) threads.set(name, (thread = new FirefoxThread(name, threads.size, frames, shared)));
    // A track has its process's name; where several share one, the process stays the first frame.
    const path = stacks.frames.subarray(name === OTHERS ? from : Math.min(from + 1, to), to);
    thread.add(path, stacks.values[row]! / weight.divisor);
  }
  const all = [...threads.values()];
  if (all.length === 0) all.push(new FirefoxThread('(no samples)', 0, frames, shared));
  return {
    meta: {
      ...FIREFOX_FORMAT,
      interval: 1,
      startTime: about.startMs,
      profilingStartTime: 0,
      profilingEndTime: Math.max(about.durationMs, ...all.map((thread) => thread.end)),
    },
    libs: shared.libs.all,
    threads: all.map((thread) => thread.columns(weight.type)),
    shared: { sources: shared.sources.columns(shared.strings), stringArray: shared.strings.all() },
  };
}

function weightOf(unit: string): { type: FirefoxWeight; divisor: number } {
  if (unit === 'nanoseconds') return { type: 'tracing-ms', divisor: 1e6 };
  return { type: unit === 'bytes' ? 'bytes' : 'samples', divisor: 1 };
}

function processName(stacks: StackColumns, frames: FrameColumns, row: number): string {
  const first = stacks.offsets[row]!;
  if (first === stacks.offsets[row + 1]!) return '[unknown process]';
  return namesOf(frames.functions, frames.function[stacks.frames[first]!]!).name;
}

function largestProcesses(stacks: StackColumns, frames: FrameColumns): Set<string> {
  const values = new Map<string, number>();
  for (let row = 0; row < stacks.values.length; row++) {
    const name = processName(stacks, frames, row);
    values.set(name, (values.get(name) ?? 0) + stacks.values[row]!);
  }
  const names = [...values.keys()];
  if (names.length <= MAX_TRACKS) return new Set(names);
  return new Set(names.sort((a, b) => values.get(b)! - values.get(a)!).slice(0, MAX_TRACKS));
}
