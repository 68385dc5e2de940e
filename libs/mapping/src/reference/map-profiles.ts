import { stackId } from '@perfleet/ids';
import { believableTime } from '@perfleet/messages';
import {
  eachSampleValue,
  isCounted,
  linkAt,
  type AttributeValue,
  type Dictionary,
  type Profile,
  type ProfilesData,
} from '@perfleet/otlp';
import { framesOf } from './frames.ts';
import type { FrameRow, LinkedRow, MessageRows, SampleRow, SeriesRow, StackRow } from './rows.ts';
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

/**
 * What the mapper of `native/mapping` means, in the plainest form: the oracle of its tests, and nothing else. Rows stand in
 * the order of their first use, frames of a stack leaf first.
 */
export function mapProfiles(data: ProfilesData, context: MapContext): MessageRows {
  const { dictionary } = data;
  const series = new Map<bigint, SeriesRow>();
  const stacks = new Map<bigint, StackRow>();
  const frames = new Map<bigint, FrameRow>();
  const samples: SampleRow[] = [];
  const linked: LinkedRow[] = [];
  let [stored, clamped] = [0, 0];
  const stackOf = (index: number): bigint => {
    const { offsets, values } = dictionary.stacks;
    const leafFirst = [...values.subarray(offsets[index], offsets[index + 1])].flatMap((at) =>
      framesOf(dictionary, at),
    );
    const ids = leafFirst.map((frame) => frame.id).reverse();
    const id = stackId(ids);
    if (!stacks.has(id)) {
      stacks.set(id, { id, frames: ids });
      for (const frame of leafFirst) if (!frames.has(frame.id)) frames.set(frame.id, frame);
    }
    return id;
  };
  for (const resource of data.resources) {
    for (const profile of resource.profiles) {
      const kind = valueTypes(dictionary, profile);
      const counted = isCounted(dictionary.strings[profile.sampleType.unit]!);
      for (let i = 0; i < profile.samples.length; i++) {
        const { offsets, values } = profile.samples.attributes;
        const set = values.subarray(offsets[i], offsets[i + 1]);
        const row = seriesOf(attributesOf(dictionary, resource.attributes, profile.attributes, set), kind, context);
        if (!series.has(row.id)) series.set(row.id, row);
        const stack = stackOf(profile.samples.stack[i]!);
        const link = linkAt(dictionary, profile.samples.link[i]!);
        eachSampleValue(profile, i, (time, value) => {
          stored += counted ? value : 1;
          const told = time > 0n ? Number(time / 1_000_000n) + context.shiftMs : context.timestamp;
          const ms = believableTime(told, context.timestamp);
          if (ms !== told) clamped++;
          const sample = {
            time: seconds(ms),
            workload: row.workload,
            series: row.id,
            stack,
            value: value * kind.factor,
          };
          samples.push(sample);
          if (link) linked.push({ ...sample, ...link });
        });
      }
    }
  }
  return {
    series: [...series.values()],
    stacks: [...stacks.values()],
    frames: [...frames.values()],
    samples,
    linked,
    stored,
    clamped,
  };
}

function valueTypes(dictionary: Dictionary, profile: Profile) {
  const text = (type: { type: number; unit: number }) => ({
    type: dictionary.strings[type.type]!,
    unit: dictionary.strings[type.unit]!,
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
  for (const set of sets)
    for (const index of set)
      all.set(dictionary.strings[dictionary.attributes.key[index]!]!, dictionary.attributes.value[index]!);
  return all;
}
