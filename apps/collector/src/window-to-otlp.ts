import { ProfilesEncoder, type ProfileEncoder, type ResourceEncoder } from '@perfleet/otlp';
import { NO_BINARY, type Window } from '@perfleet/sampler';
import type { ResourceLabels } from './resource-labels.ts';
import { WindowRows, type RowKind } from './window-rows.ts';

/** One OTLP message and the samples in it: the sum of counts, and one for each stack of blocked time. */
export interface ProfilePart {
  readonly body: Uint8Array;
  readonly samples: number;
}

/** A message ends before it grows over this; Kafka's default bound is 1 MiB with everything. */
export const MAX_MESSAGE_BYTES = 900_000;

/** What one stack with its names may add to a message, so that a message with one sample fits in any case. */
const MAX_STACK_TEXT = 300_000;
/** Longest name that is kept, in UTF-16 units; a stack over MAX_STACK_TEXT has its names cut shorter. */
const MAX_NAME = 16_384;
const FRAME_OVERHEAD = 48;
const SAMPLE_OVERHEAD = 512;

/**
 * Pure: the messages of one window, in order, each self-contained and at most `maxBytes` long. A sample is in exactly
 * one of them, so the parts' samples add up to the window's. A window without samples gives no part.
 * @param labelsOf resource attributes of a process, by its index in the window
 */
export function windowToOtlp(
  window: Window,
  labelsOf: (process: number) => ResourceLabels,
  maxBytes = MAX_MESSAGE_BYTES,
): ProfilePart[] {
  const parts: ProfilePart[] = [];
  const rows = new WindowRows(window);
  const costs = new Costs(window, rows);
  let part = new Part(window, rows, costs);
  // Never below the size of the part; asking the encoder for it at every sample would cost more than encoding.
  let bound = 0;
  for (const { labels, samples } of groupByResource(rows, labelsOf)) {
    for (const sample of samples) {
      const more = costs.sample(sample, labels);
      if (bound + more > maxBytes) bound = part.encoder.estimatedBytes;
      if (part.samples > 0 && bound + more > maxBytes) {
        parts.push(part.finish());
        part = new Part(window, rows, costs);
        bound = 0;
      }
      bound += more;
      part.add(labels, sample);
    }
  }
  if (part.samples > 0) parts.push(part.finish());
  return parts;
}

/** A message without samples: it carries counts in its headers only. */
export function emptyOtlp(): Uint8Array {
  return new ProfilesEncoder().finish();
}

interface ResourceGroup {
  readonly labels: ResourceLabels;
  /** Rows of the window. */
  readonly samples: number[];
}

function groupByResource(rows: WindowRows, labelsOf: (process: number) => ResourceLabels): ResourceGroup[] {
  const groups = new Map<string, ResourceGroup>();
  const ofProcess = new Map<number, ResourceGroup>();
  for (let i = 0; i < rows.length; i++) {
    if (rows.value(i) === 0) continue;
    const process = rows.process(i);
    let group = ofProcess.get(process);
    if (!group) {
      const labels = labelsOf(process);
      const key = JSON.stringify(labels);
      group = groups.get(key) ?? { labels, samples: [] };
      groups.set(key, group);
      ofProcess.set(process, group);
    }
    group.samples.push(i);
  }
  return [...groups.values()];
}

/** Upper bounds of what parts of a window can add to a message: all their names, as if none was in it yet. */
class Costs {
  /** Bytes of a frame's names. */
  private readonly frameText: Uint32Array;

  constructor(
    private readonly window: Window,
    private readonly rows: WindowRows,
  ) {
    const { frames, binaries, strings } = window;
    const text = (index: number) => strings[index]!.length * 3;
    const binaryText = Uint32Array.from(binaries.path, (path, i) => {
      return text(path) + text(binaries.gnuBuildId[i]!) + text(binaries.htlHash[i]!) + 144;
    });
    this.frameText = Uint32Array.from(frames.kind, (kind, i) => {
      const binary = frames.binary[i]!;
      const names = text(kind) + text(frames.function[i]!) + text(frames.file[i]!);
      return names + (binary === NO_BINARY ? 0 : binaryText[binary]!);
    });
  }

  /** Bytes of all names of a stack. */
  stackText(stack: number): number {
    const { offset, frame } = this.window.stacks;
    let bytes = 0;
    for (let i = offset[stack]!; i < offset[stack + 1]!; i++) bytes += this.frameText[frame[i]!]!;
    return bytes;
  }

  sample(sample: number, labels: ResourceLabels): number {
    const stack = this.rows.stack(sample);
    const depth = this.window.stacks.offset[stack + 1]! - this.window.stacks.offset[stack]!;
    let bytes = SAMPLE_OVERHEAD + depth * FRAME_OVERHEAD;
    for (const [key, value] of labels) bytes += key.length + value.length * 3 + 16;
    return bytes + Math.min(this.stackText(stack), MAX_STACK_TEXT);
  }
}

/** One message in the making. Indices of the window map to indices of the message as they are first used. */
class Part {
  readonly encoder = new ProfilesEncoder();
  samples = 0;
  private readonly profiles = new Map<RowKind, Map<ResourceLabels, ProfileEncoder>>();
  private readonly resources = new Map<ResourceLabels, ResourceEncoder>();
  private readonly locations = new Map<number, number>();
  private readonly stacks = new Map<number, number>();
  /** By binary; those whose names were cut short for one stack are not kept. */
  private readonly mappings = new Map<number, number>();

  constructor(
    private readonly window: Window,
    private readonly rows: WindowRows,
    private readonly costs: Costs,
  ) {}

  add(labels: ResourceLabels, sample: number): void {
    const { rows } = this;
    const { processes, strings } = this.window;
    const thread = strings[rows.thread(sample)]!;
    const attributes = [this.encoder.attribute('process.pid', processes.pid[rows.process(sample)]!)];
    if (thread) attributes.push(this.encoder.attribute('thread.name', thread.slice(0, 64)));
    this.profile(labels, rows.kind(sample)).sample(this.stack(rows.stack(sample)), attributes, rows.value(sample));
    this.samples += rows.samples(sample);
  }

  finish(): ProfilePart {
    return { body: this.encoder.finish(), samples: this.samples };
  }

  private profile(labels: ResourceLabels, kind: RowKind): ProfileEncoder {
    const ofKind = getOrMake(this.profiles, kind, () => new Map<ResourceLabels, ProfileEncoder>());
    return getOrMake(ofKind, labels, () => {
      const { start, end } = this.window;
      const resource = getOrMake(this.resources, labels, () => this.encoder.resource(labels));
      return resource.profile({ ...kind, timeUnixNano: start, durationNano: end > start ? end - start : 0n });
    });
  }

  private stack(stack: number): number {
    const known = this.stacks.get(stack);
    if (known !== undefined) return known;
    const { offset, frame } = this.window.stacks;
    const [from, to] = [offset[stack]!, offset[stack + 1]!];
    const hostile = this.costs.stackText(stack) > MAX_STACK_TEXT;
    const longest = hostile ? Math.max(16, Math.floor(MAX_STACK_TEXT / 16 / (to - from))) : MAX_NAME;
    const locations: number[] = [];
    for (let i = from; i < to; i++) locations.push(this.location(frame[i]!, longest));
    const index = this.encoder.stack(locations);
    this.stacks.set(stack, index);
    return index;
  }

  /**
   * Native: ELF address and mapping, no lines. Named: lines. Anonymous code: a mapping that only has a name (`[anon]`)
   * and address 0.
   */
  private location(frame: number, longest: number): number {
    const known = this.locations.get(frame);
    if (known !== undefined) return known;
    const { frames, strings } = this.window;
    const text = (index: number) => clip(strings[index]!, longest);
    const kind = clip(strings[frames.kind[frame]!]!, 64) || 'native';
    const binary = frames.binary[frame]!;
    const name = text(frames.function[frame]!);
    let index: number;
    if (binary !== NO_BINARY) {
      const mapping = this.mapping(binary, longest);
      index = this.encoder.location({ mapping, address: frames.address[frame]!, kind });
    } else if (name) {
      const lines = [[this.encoder.func(name, text(frames.file[frame]!)), 0]] as const;
      index = this.encoder.location({ kind, lines });
    } else {
      const mapping = this.encoder.mapping({ filename: text(frames.file[frame]!) || '[unknown]' });
      index = this.encoder.location({ mapping, kind });
    }
    this.locations.set(frame, index);
    return index;
  }

  private mapping(binary: number, longest: number): number {
    const known = this.mappings.get(binary);
    if (known !== undefined && longest === MAX_NAME) return known;
    const { binaries, strings } = this.window;
    const mapping = this.encoder.mapping({
      filename: clip(strings[binaries.path[binary]!]!, longest),
      gnuBuildId: clip(strings[binaries.gnuBuildId[binary]!]!, 128),
      htlHash: clip(strings[binaries.htlHash[binary]!]!, 128),
    });
    if (longest === MAX_NAME) this.mappings.set(binary, mapping);
    return mapping;
  }
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

function clip(text: string, longest: number): string {
  return text.length <= longest ? text : text.slice(0, longest);
}
