import {
  countSamples,
  decodeProfiles,
  eachSampleValue,
  frameType,
  linkAt,
  mappingBinary,
  samplesIn,
  type Dictionary,
  type ProfileEncoder,
  type ProfilesData,
  type ProfilesEncoder,
  type ResourceEncoder,
} from '@perfleet/otlp';
import { badRequest } from '../http/api-error.ts';
import { checkTime, INGEST_LIMITS } from './limits.ts';
import { MessageParts, type MessagePart } from './message-parts.ts';

/** A message up to this size is passed on as it came. */
const MAX_MESSAGE_BYTES = 900_000;

export const OTLP_LIMITS = { ...INGEST_LIMITS, messageBytes: INGEST_LIMITS.expandedBytes };

/**
 * An OTLP request as messages of the stream. A small one keeps its bytes; of a large one what the store reads is written anew,
 * sample by sample, into several.
 * @throws OtlpDecodeError, ApiError
 */
export function otlpParts(body: Uint8Array): { data: ProfilesData; parts: MessagePart[] } {
  const data = decodeProfiles(body, OTLP_LIMITS);
  const samples = countSamples(data);
  checkSamples(data, samples);
  if (samples === 0) return { data, parts: [] };
  if (body.length <= MAX_MESSAGE_BYTES) return { data, parts: [{ body, samples }] };
  return { data, parts: splitProfiles(data) };
}

/** Counted samples with a period are stored as count x period; times must be such as the store keeps. @throws ApiError 400 */
function checkSamples({ resources }: ProfilesData, samples: number): void {
  if (!(samples <= INGEST_LIMITS.count)) throw badRequest(`the samples count more than ${INGEST_LIMITS.count}`);
  for (const { profiles } of resources) {
    for (const profile of profiles) {
      let sum = 0;
      for (let i = 0; i < profile.samples.length; i++)
        eachSampleValue(profile, i, (time, value) => {
          checkTime(time);
          sum += value;
        });
      if (!(sum * Math.max(1, profile.period) <= INGEST_LIMITS.value))
        throw badRequest(`the values of a profile, times its period, add up to more than ${INGEST_LIMITS.value}`);
    }
  }
}

export function splitProfiles({ dictionary, resources }: ProfilesData): MessagePart[] {
  const parts = new MessageParts((encoder) => new Copy(encoder, dictionary));
  for (const resource of resources) {
    for (const profile of resource.profiles) {
      const unit = dictionary.strings[profile.sampleType.unit] ?? '';
      const text = ({ type, unit: of }: { type: number; unit: number }) => ({
        type: dictionary.strings[type] ?? '',
        unit: dictionary.strings[of] ?? '',
      });
      const own = [...profile.attributes];
      for (let i = 0; i < profile.samples.length; i++) {
        const { offsets, values } = profile.samples.attributes;
        const attributes = [...own, ...values.subarray(offsets[i], offsets[i + 1])];
        eachSampleValue(profile, i, (time, value) => {
          parts.add(samplesIn(unit, value), (copy) => {
            const into = copy.profile(resource, profile, () => ({
              sampleType: text(profile.sampleType),
              periodType: text(profile.periodType),
              period: profile.period,
              timeUnixNano: profile.timeUnixNano,
              durationNano: profile.durationNano,
            }));
            into.sample(
              copy.stack(profile.samples.stack[i]!),
              attributes.map((a) => copy.attribute(a)),
              value,
              [time],
              copy.link(profile.samples.link[i]!),
            );
          });
        });
      }
    }
  }
  return parts.finish();
}

type Resource = ProfilesData['resources'][number];
type Profile = Resource['profiles'][number];

/** Rows of a dictionary, copied into one message the first time they are used there. */
class Copy {
  private readonly resources = new Map<Resource, ResourceEncoder>();
  private readonly profiles = new Map<Profile, ProfileEncoder>();
  private readonly stacks = new Map<number, number>();
  private readonly locations = new Map<number, number>();

  constructor(
    private readonly encoder: ProfilesEncoder,
    private readonly dictionary: Dictionary,
  ) {}

  profile(of: Resource, profile: Profile, input: () => Parameters<ResourceEncoder['profile']>[0]): ProfileEncoder {
    return known(this.profiles, profile, () =>
      known(this.resources, of, () => this.encoder.resource(of.attributes)).profile(input()),
    );
  }

  attribute(index: number): number {
    const { strings, attributes } = this.dictionary;
    return this.encoder.attribute(strings[attributes.key[index]!]!, attributes.value[index]!);
  }

  link(index: number): number {
    const link = linkAt(this.dictionary, index);
    return link ? this.encoder.link(link) : 0;
  }

  stack(index: number): number {
    const { offsets, values } = this.dictionary.stacks;
    return known(this.stacks, index, () =>
      this.encoder.stack([...values.subarray(offsets[index], offsets[index + 1])].map((l) => this.location(l))),
    );
  }

  private location(index: number): number {
    const { locations, lines, functions, strings, mappings } = this.dictionary;
    return known(this.locations, index, () => {
      const named: Array<readonly [number, number]> = [];
      for (let i = locations.lineOffsets[index]!; i < locations.lineOffsets[index + 1]!; i++) {
        const fn = lines.function[i]!;
        const name = strings[functions.name[fn]!] || strings[functions.systemName[fn]!]!;
        named.push([this.encoder.func(name, strings[functions.filename[fn]!]!), lines.line[i]!]);
      }
      const from = locations.mapping[index]!;
      const mapping =
        from === 0
          ? 0
          : this.encoder.mapping({
              ...mappingBinary(this.dictionary, from),
              start: mappings.start[from]!,
              limit: mappings.limit[from]!,
              fileOffset: mappings.fileOffset[from]!,
            });
      const address = locations.address[index]!;
      return this.encoder.location({ mapping, address, kind: frameType(this.dictionary, index), lines: named });
    });
  }
}

function known<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
