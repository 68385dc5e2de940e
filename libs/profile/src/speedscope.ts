import { namesOf, type FrameColumns } from './frame-table.ts';
import type { StackColumns } from './stack-table.ts';

/** https://www.speedscope.app/file-format-schema.json, with one profile of type `sampled`. */
export interface SpeedscopeFile {
  readonly $schema: 'https://www.speedscope.app/file-format-schema.json';
  readonly exporter: string;
  readonly name: string;
  readonly activeProfileIndex: number;
  readonly shared: { readonly frames: ReadonlyArray<{ readonly name: string; readonly file?: string }> };
  readonly profiles: ReadonlyArray<{
    readonly type: 'sampled';
    readonly name: string;
    readonly unit: SpeedscopeUnit;
    readonly startValue: number;
    readonly endValue: number;
    /** Indices into `shared.frames`, root first. */
    readonly samples: readonly (readonly number[])[];
    readonly weights: readonly number[];
  }>;
}

export type SpeedscopeUnit = 'none' | 'nanoseconds' | 'microseconds' | 'milliseconds' | 'seconds' | 'bytes';

const UNITS: readonly string[] = ['nanoseconds', 'microseconds', 'milliseconds', 'seconds', 'bytes'];

/**
 * The viewer takes equal indices for equal functions, so frames are merged by function and carry no line.
 * @param about.unit unit of the values; one that the format does not know (`count`) becomes `none`
 */
export function toSpeedscope(
  stacks: StackColumns,
  frames: FrameColumns,
  about: { readonly name: string; readonly unit: string },
): SpeedscopeFile {
  const functions = usedFunctions(stacks, frames);
  const samples: number[][] = [];
  for (let row = 0; row < stacks.values.length; row++)
    samples.push(
      Array.from(
        stacks.frames.subarray(stacks.offsets[row]!, stacks.offsets[row + 1]!),
        (frame) => functions.index[frames.function[frame]!]!,
      ),
    );
  const weights = [...stacks.values];
  return {
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    exporter: 'perfleet',
    name: about.name,
    activeProfileIndex: 0,
    shared: {
      frames: functions.used.map((fn) => {
        const { name, file } = namesOf(frames.functions, fn);
        return { name: name || '[unknown]', ...(file ? { file } : {}) };
      }),
    },
    profiles: [
      {
        type: 'sampled',
        name: about.name,
        unit: UNITS.includes(about.unit) ? (about.unit as SpeedscopeUnit) : 'none',
        startValue: 0,
        endValue: weights.reduce((sum, weight) => sum + weight, 0),
        samples,
        weights,
      },
    ],
  };
}

/** The functions that stand in some stack, in the order they come, and the place of each among them. */
function usedFunctions(stacks: StackColumns, frames: FrameColumns) {
  const index = new Int32Array(frames.functions.name.length).fill(-1);
  const used: number[] = [];
  for (const frame of stacks.frames) {
    const fn = frames.function[frame]!;
    if (index[fn]! < 0) index[fn] = used.push(fn) - 1;
  }
  return { index, used };
}
