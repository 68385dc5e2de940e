import type { Profile, ProfilesData } from './model.ts';

/** Without values each timestamp counts one; with as many of each they pair up; else the sum stands at the first time. */
export function eachSampleValue(
  profile: Profile,
  sample: number,
  emit: (unixNano: bigint, value: number) => void,
): void {
  const { values, timestamps } = profile.samples;
  const [v, vEnd] = [values.offsets[sample]!, values.offsets[sample + 1]!];
  const [t, tEnd] = [timestamps.offsets[sample]!, timestamps.offsets[sample + 1]!];
  if (vEnd === v) {
    if (tEnd === t) emit(profile.timeUnixNano, 1);
    for (let i = t; i < tEnd; i++) emit(timestamps.values[i]!, 1);
  } else if (vEnd - v === tEnd - t) {
    for (let i = 0; i < vEnd - v; i++)
      if (values.values[v + i]! > 0) emit(timestamps.values[t + i]!, values.values[v + i]!);
  } else {
    let sum = 0;
    for (let i = v; i < vEnd; i++) sum += values.values[i]!;
    if (sum > 0) emit(tEnd > t ? timestamps.values[t]! : profile.timeUnixNano, sum);
  }
}

/** Whether values of this unit are numbers of samples. */
export const isCounted = (unit: string) => (unit || 'count') === 'count';

/** What one value counts in `taken` and `stored`: itself where the unit is a count, else one. */
export function samplesIn(unit: string, value: number): number {
  return isCounted(unit) ? value : 1;
}

/** Samples of a message in the sense of the headers' `taken`. */
export function countSamples({ dictionary, resources }: ProfilesData): number {
  let count = 0;
  for (const { profiles } of resources) {
    for (const profile of profiles) {
      const unit = dictionary.strings[profile.sampleType.unit] ?? '';
      for (let i = 0; i < profile.samples.length; i++)
        eachSampleValue(profile, i, (_, value) => (count += samplesIn(unit, value)));
    }
  }
  return count;
}
