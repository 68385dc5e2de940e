import { stackId } from '@perfleet/ids';
import type { AttributeValue, Dictionary, Profile, ProfilesData } from '@perfleet/otlp';
import { framesOfLocation } from './frames.ts';
import type { FrameRow, MessageRows, SampleRows, SeriesRow, StackRow } from './rows.ts';
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

/** Rows of one message: a pure function of its bytes, its headers and the broker's time. */
export function mapProfiles(data: ProfilesData, context: MapContext): MessageRows {
  const { dictionary } = data;
  const stacks = new StackTable(dictionary);
  const series = new Map<bigint, SeriesRow>();
  const samples: SampleRows = { time: [], series: [], stack: [], value: [] };
  let stored = 0;
  for (const resource of data.resources) {
    for (const profile of resource.profiles) {
      const kindOf = valueTypes(dictionary, profile);
      const bySet = new Map<string, SeriesRow>();
      const table = profile.samples;
      const { strings } = dictionary;
      const counted = (strings[profile.sampleType.unit] || 'count') === 'count';
      for (let i = 0; i < table.length; i++) {
        const set = table.attributes.values.subarray(table.attributes.offsets[i], table.attributes.offsets[i + 1]);
        const key = set.join();
        let row = bySet.get(key);
        if (!row) {
          row = seriesOf(attributesOf(dictionary, resource.attributes, profile.attributes, set), kindOf, context);
          bySet.set(key, row);
          series.set(row.id, row);
        }
        const stack = stacks.id(table.stack[i] ?? 0);
        eachValue(profile, i, (nanoseconds, value) => {
          stored += counted ? value : 1;
          samples.time.push(seconds(nanoseconds, context));
          samples.series.push(row.id);
          samples.stack.push(stack);
          samples.value.push(value * kindOf.factor);
        });
      }
    }
  }
  return {
    series: [...series.values()],
    stacks: [...stacks.rows.values()],
    frames: [...stacks.frames.values()],
    samples,
    stored,
  };
}

function valueTypes(dictionary: Dictionary, profile: Profile) {
  const text = (type: { type: number; unit: number }) => ({
    type: dictionary.strings[type.type] ?? '',
    unit: dictionary.strings[type.unit] ?? '',
  });
  return seriesType(text(profile.sampleType), text(profile.periodType), profile.period);
}

/** Without values each timestamp counts one; with as many of each they pair up; else the sum stands at the first time. */
function eachValue(profile: Profile, sample: number, emit: (nanoseconds: bigint, value: number) => void): void {
  const { values, timestamps } = profile.samples;
  const v = values.values.subarray(values.offsets[sample], values.offsets[sample + 1]);
  const t = timestamps.values.subarray(timestamps.offsets[sample], timestamps.offsets[sample + 1]);
  if (v.length === 0) {
    if (t.length === 0) emit(profile.timeUnixNano, 1);
    for (const time of t) emit(time, 1);
  } else if (v.length === t.length) {
    for (let i = 0; i < v.length; i++) if (v[i]! > 0) emit(t[i]!, v[i]!);
  } else {
    const sum = v.reduce((a, b) => a + b, 0);
    if (sum > 0) emit(t[0] ?? profile.timeUnixNano, sum);
  }
}

function seconds(nanoseconds: bigint, context: MapContext): number {
  const milliseconds = nanoseconds > 0n ? Number(nanoseconds / 1_000_000n) + context.shiftMs : context.timestamp;
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
  readonly rows = new Map<bigint, StackRow>();
  readonly frames = new Map<bigint, FrameRow>();
  private readonly ids = new Map<number, bigint>();
  private readonly locations = new Map<number, readonly FrameRow[]>();

  constructor(private readonly dictionary: Dictionary) {}

  id(stack: number): bigint {
    const known = this.ids.get(stack);
    if (known !== undefined) return known;
    const { offsets, values } = this.dictionary.stacks;
    const leafFirst: bigint[] = [];
    for (let i = offsets[stack] ?? 0; i < (offsets[stack + 1] ?? 0); i++) {
      for (const frame of this.location(values[i] ?? 0)) leafFirst.push(frame.id);
    }
    const frames = leafFirst.reverse();
    const id = stackId(frames);
    this.ids.set(stack, id);
    this.rows.set(id, { id, frames });
    return id;
  }

  private location(index: number): readonly FrameRow[] {
    let rows = this.locations.get(index);
    if (!rows) {
      rows = framesOfLocation(this.dictionary, index);
      this.locations.set(index, rows);
      for (const row of rows) this.frames.set(row.id, row);
    }
    return rows;
  }
}
