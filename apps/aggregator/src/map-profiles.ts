import { xxh64 } from '@perfleet/ids';
import {
  eachSampleValue,
  isCounted,
  type AttributeValue,
  type Dictionary,
  type Profile,
  type ProfilesData,
  type Ragged,
} from '@perfleet/otlp';
import { believableTime } from './believable-time.ts';
import { LocationFrames, NativeFrames } from './frames.ts';
import { id64, SampleRows, type FrameRow, type MessageRows, type SeriesRow, type StackRow } from './rows.ts';
import { seriesOf, seriesType } from './series-labels.ts';

export interface MapContext {
  readonly node: string;
  readonly cluster: string;
  /** Broker time, Unix milliseconds: stands in where the producer gave no time. */
  readonly timestamp: number;
  /** Added to every sample's time, milliseconds. */
  readonly shiftMs: number;
}

const MAX_TIME = 0xffff_ffff;

/** What is kept from one message to the next; nothing in it changes what a message means. */
export interface MapMemory {
  readonly native: NativeFrames;
  /** Whether a stack's or a frame's row is in the store already, so that it need not be made. */
  readonly stackWritten: (low: number, high: number) => boolean;
  readonly frameWritten: (frame: FrameRow) => boolean;
}

export const noMemory = (): MapMemory => ({
  native: new NativeFrames(),
  stackWritten: () => false,
  frameWritten: () => false,
});

/** Rows of one message: a pure function of its bytes, its headers and the broker's time, but for what `memory` leaves out. */
export function mapProfiles(data: ProfilesData, context: MapContext, memory: MapMemory = noMemory()): MessageRows {
  const { dictionary } = data;
  const stacks = new StackTable(dictionary, memory);
  const series = new Map<bigint, SeriesRow>();
  const samples = new SampleRows(
    data.resources.reduce((n, r) => n + r.profiles.reduce((m, p) => m + p.samples.length, 0), 1),
  );
  let stored = 0;
  let clamped = 0;
  for (const resource of data.resources) {
    for (const profile of resource.profiles) {
      const kindOf = valueTypes(dictionary, profile);
      const bySet = new Map<string, SeriesRow>();
      const table = profile.samples;
      const counted = isCounted(dictionary.strings[profile.sampleType.unit] ?? '');
      let row: SeriesRow | undefined;
      for (let i = 0; i < table.length; i++) {
        if (!row || !sameSet(table.attributes, i - 1, i)) {
          const set = table.attributes.values.subarray(table.attributes.offsets[i], table.attributes.offsets[i + 1]);
          const key = set.join();
          row = bySet.get(key);
          if (!row) {
            row = seriesOf(attributesOf(dictionary, resource.attributes, profile.attributes, set), kindOf, context);
            bySet.set(key, row);
            series.set(row.id, row);
          }
        }
        const stack = stacks.row(table.stack[i] ?? 0);
        eachSampleValue(profile, i, (time, value) => {
          stored += counted ? value : 1;
          const told = time > 0n ? Number(time / 1_000_000n) + context.shiftMs : context.timestamp;
          const ms = believableTime(told, context.timestamp);
          if (ms !== told) clamped++;
          samples.push(seconds(ms), row!, stacks.low(stack), stacks.high(stack), value * kindOf.factor);
        });
      }
    }
  }
  return { series: [...series.values()], stacks: stacks.rows, frames: stacks.frames, samples, stored, clamped };
}

/** Whether two rows are equal; samples of one thread stand together. */
function sameSet({ offsets, values }: Ragged, a: number, b: number): boolean {
  const [startA, startB] = [offsets[a]!, offsets[b]!];
  const length = offsets[a + 1]! - startA;
  if (offsets[b + 1]! - startB !== length) return false;
  for (let i = 0; i < length; i++) if (values[startA + i] !== values[startB + i]) return false;
  return true;
}

function valueTypes(dictionary: Dictionary, profile: Profile) {
  const text = (type: { type: number; unit: number }) => ({
    type: dictionary.strings[type.type] ?? '',
    unit: dictionary.strings[type.unit] ?? '',
  });
  return seriesType(text(profile.sampleType), text(profile.periodType), profile.period);
}

function seconds(milliseconds: number): number {
  return Math.min(MAX_TIME, Math.max(0, Math.floor(milliseconds / 1000)));
}

function attributesOf(
  dictionary: Dictionary,
  resource: ReadonlyArray<readonly [string, AttributeValue]>,
  ...sets: readonly Int32Array[]
): Map<string, AttributeValue> {
  const all = new Map(resource);
  for (const set of sets) {
    for (const index of set) {
      const key = dictionary.strings[dictionary.attributes.key[index] ?? 0] ?? '';
      all.set(key, dictionary.attributes.value[index] ?? null);
    }
  }
  return all;
}

/** Ids of a dictionary's stacks, each made once and only when a sample uses it. */
class StackTable {
  readonly rows: StackRow[] = [];
  readonly frames: FrameRow[] = [];
  private readonly locations: LocationFrames;
  /** 1 = the stack's id is in `ids`. */
  private readonly made: Uint8Array;
  /** Halves (low, high) of the ids. */
  private readonly ids: Uint32Array;
  /** 1 = the location's frames were looked at for `frames`. */
  private readonly listed: Uint8Array;

  constructor(
    private readonly dictionary: Dictionary,
    private readonly memory: MapMemory,
  ) {
    this.locations = new LocationFrames(dictionary, memory.native);
    this.listed = new Uint8Array(dictionary.locations.mapping.length);
    this.made = new Uint8Array(dictionary.stacks.offsets.length);
    this.ids = new Uint32Array(dictionary.stacks.offsets.length * 2);
  }

  low(stack: number): number {
    return this.ids[stack * 2]!;
  }

  high(stack: number): number {
    return this.ids[stack * 2 + 1]!;
  }

  /** @returns `stack`, whose id is there now */
  row(stack: number): number {
    if (this.made[stack]) return stack;
    this.made[stack] = 1;
    const { offsets, values } = this.dictionary.stacks;
    const [from, to] = [offsets[stack] ?? 0, offsets[stack + 1] ?? 0];
    let length = 0;
    // Leaf first on the wire, root first in the id.
    for (let i = to - 1; i >= from; i--) {
      const rows = this.locations.of(values[i]!);
      if ((length + rows.length) * 2 > scratch.length) widenScratch(length + rows.length);
      for (let line = rows.length - 1; line >= 0; line--) {
        scratch[length * 2] = rows[line]!.low;
        scratch[length * 2 + 1] = rows[line]!.high;
        length++;
      }
    }
    const id = xxh64(new Uint8Array(scratch.buffer, 0, length * 8));
    const { low, high } = id64(id);
    this.ids[stack * 2] = low;
    this.ids[stack * 2 + 1] = high;
    if (this.memory.stackWritten(low, high)) return stack;
    this.rows.push({ id, low, high, frames: scratch.slice(0, length * 2) });
    for (let i = from; i < to; i++) this.list(values[i]!);
    return stack;
  }

  private list(location: number): void {
    if (this.listed[location]) return;
    this.listed[location] = 1;
    for (const frame of this.locations.of(location)) if (!this.memory.frameWritten(frame)) this.frames.push(frame);
  }
}

/** Frame ids of the stack at hand: their bytes in memory are what a stack id is the hash of. */
let scratch = new Uint32Array(4096);
function widenScratch(frames: number): void {
  const next = new Uint32Array(frames * 4);
  next.set(scratch);
  scratch = next;
}
