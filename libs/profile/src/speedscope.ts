import type { FrameColumns } from './frame-table.ts';
import { functionsOf } from './functions.ts';
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
  const functions = functionsOf(frames);
  const samples: number[][] = [];
  for (let row = 0; row < stacks.values.length; row++)
    samples.push(
      Array.from(
        stacks.frames.subarray(stacks.offsets[row]!, stacks.offsets[row + 1]!),
        (frame) => functions.of[frame]!,
      ),
    );
  const weights = [...stacks.values];
  return {
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    exporter: 'perfleet',
    name: about.name,
    activeProfileIndex: 0,
    shared: {
      frames: Array.from(functions.frame, (frame) => {
        const name = frames.strings[frames.name[frame]!]! || '[unknown]';
        const file = frames.strings[frames.file[frame]!]!;
        return file ? { name, file } : { name };
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
