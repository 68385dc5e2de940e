import { attributeOf, countSamples, decodeProfiles, frameType, mappingBinary, type ProfilesData } from '@perfleet/otlp';
import { decodeWindow, encodeWindow, type SampleInput, type WindowInput } from '@perfleet/sampler';
import { describe, expect, it } from 'vitest';
import { processText, resourceLabels, type ResourceLabels } from './resource-labels.ts';
import { windowToOtlp } from './window-to-otlp.ts';

const libc = { path: '/usr/lib/libc.so.6', gnuBuildId: 'abcd', htlHash: 'ef01' };
const node = { node: 'n1', cluster: 'c1' };

function convert(input: WindowInput, maxBytes?: number) {
  const window = decodeWindow(encodeWindow(input));
  const labels = (i: number): ResourceLabels =>
    resourceLabels(node, processText(window, i), { podUid: null, containerId: null }, undefined);
  const parts = windowToOtlp(window, labels, maxBytes);
  return { parts, decoded: parts.map((p) => decodeProfiles(p.body)) };
}

/** Every sample as text: resource, pid, thread, frames leaf first, count. */
function flatten(data: ProfilesData): string[] {
  const { dictionary: d } = data;
  const lines: string[] = [];
  for (const { attributes, profiles } of data.resources) {
    const service = attributes.find(([key]) => key === 'service.name')![1];
    for (const { samples } of profiles) {
      for (let i = 0; i < samples.length; i++) {
        const frames: string[] = [];
        const stack = samples.stack[i]!;
        for (let j = d.stacks.offsets[stack]!; j < d.stacks.offsets[stack + 1]!; j++) {
          const location = d.stacks.values[j]!;
          const line = d.locations.lineOffsets[location]!;
          const named = d.locations.lineOffsets[location + 1]! > line;
          const func = d.lines.function[line] ?? 0;
          const binary = mappingBinary(d, d.locations.mapping[location]!);
          const name = named
            ? `${d.strings[d.functions.name[func]!]}@${d.strings[d.functions.filename[func]!]}`
            : `${binary.filename}|${binary.gnuBuildId}|${binary.htlHash}+${d.locations.address[location]!.toString(16)}`;
          frames.push(`${frameType(d, location)}:${name}`);
        }
        const pid = attributeOf(d, samples.attributes, i, 'process.pid');
        const thread = attributeOf(d, samples.attributes, i, 'thread.name') ?? '';
        const count = samples.values.values[samples.values.offsets[i]!];
        lines.push(`${service} ${pid} ${thread} ${frames.join(';')} ${count}`);
      }
    }
  }
  return lines.sort();
}

describe('windowToOtlp', () => {
  const burn = { pid: 7, comm: 'burn', executable: '/bin/burn' };
  const input: WindowInput = {
    start: 1_700_000_000_000_000_000n,
    end: 1_700_000_005_000_000_000n,
    period: 52_631_578n,
    taken: 12,
    samples: [
      {
        process: burn,
        thread: 'main',
        count: 7,
        stack: [
          { kind: 'kernel', function: 'do_syscall_64', file: 'vmlinux' },
          { kind: 'native', binary: libc, address: 0x1234n },
          { kind: 'jit', file: '[anon]' },
        ],
      },
      { process: burn, thread: 'io', count: 3, stack: [{ kind: 'native', binary: { path: '/x' }, address: 5n }] },
      {
        process: { pid: 2, comm: 'kworker/0:1-events' },
        count: 2,
        stack: [{ kind: 'kernel', function: 'schedule', file: '' }],
      },
    ],
  };

  it('says every sample exactly', () => {
    const { parts, decoded } = convert(input);
    expect(parts.map((p) => p.samples)).toEqual([12]);
    expect(flatten(decoded[0]!)).toEqual([
      'burn 7 io native:/x||+5 3',
      'burn 7 main kernel:do_syscall_64@vmlinux;native:/usr/lib/libc.so.6|abcd|ef01+1234;jit:[anon]||+0 7',
      'kworker 2  kernel:schedule@ 2',
    ]);
    const { strings } = decoded[0]!.dictionary;
    const [resource] = decoded[0]!.resources;
    const profile = resource!.profiles[0]!;
    expect([strings[profile.sampleType.type], strings[profile.sampleType.unit]]).toEqual(['samples', 'count']);
    expect([strings[profile.periodType.type], strings[profile.periodType.unit]]).toEqual(['cpu', 'nanoseconds']);
    expect(profile).toMatchObject({ period: 52_631_578, timeUnixNano: input.start, durationNano: 5_000_000_000n });
    expect(Object.fromEntries(resource!.attributes)).toEqual({
      'service.name': 'burn',
      'k8s.cluster.name': 'c1',
      'host.name': 'n1',
      'process.executable.name': 'burn',
      'process.executable.path': '/bin/burn',
    });
  });

  it('splits below the bound and neither loses nor repeats a sample', () => {
    const samples: SampleInput[] = Array.from({ length: 600 }, (_, i) => ({
      process: { pid: 1 + (i % 40), executable: `/bin/tool-${i % 13}` },
      thread: `t${i % 3}`,
      count: 1 + (i % 5),
      stack: Array.from({ length: 1 + (i % 30) }, (_, j) =>
        j % 2
          ? { kind: 'native', binary: libc, address: BigInt(i * 1000 + j) }
          : { kind: 'v8js', function: `function_${i % 97}_${j}`, file: `/app/file-${j}.js` },
      ),
    }));
    const many: WindowInput = { ...input, taken: 0, samples };
    const whole = convert(many);
    const split = convert(many, 20_000);
    expect(whole.parts).toHaveLength(1);
    expect(split.parts.length).toBeGreaterThan(5);
    for (const part of split.parts) expect(part.body.length).toBeLessThanOrEqual(20_000);
    expect(split.parts.reduce((n, p) => n + p.samples, 0)).toBe(whole.parts[0]!.samples);
    expect(whole.parts[0]!.samples).toBe(samples.reduce((n, s) => n + s.count, 0));
    expect(split.decoded.flatMap(flatten).sort()).toEqual(flatten(whole.decoded[0]!));
    split.parts.forEach((part, i) => {
      const counts = flatten(split.decoded[i]!).map((line) => Number(line.split(' ').pop()));
      expect(counts.reduce((a, b) => a + b, 0)).toBe(part.samples);
    });
  });

  it('stays below the bound when a process makes its names as long as it can', () => {
    const hostile: SampleInput[] = Array.from({ length: 4 }, (_, i) => ({
      process: { pid: i + 1, executable: '/bin/evil' },
      count: 1,
      stack: Array.from({ length: 500 }, (_, j) => ({
        kind: 'jit',
        function: `${i}-${j}-${'\u20ac'.repeat(3000)}`,
        file: 'f'.repeat(3000),
      })),
    }));
    const { parts } = convert({ ...input, taken: 4, samples: hostile });
    expect(parts.reduce((n, p) => n + p.samples, 0)).toBe(4);
    for (const part of parts) expect(part.body.length).toBeLessThan(900_000);
  });

  it('says samples that stand for more than themselves with a period of as many', () => {
    const [first, ...others] = input.samples;
    const { parts, decoded } = convert({ ...input, samples: [first!, { ...first!, count: 2, oneIn: 10 }, ...others] });
    expect(parts.map((p) => p.samples)).toEqual([14]);
    const { resources } = decoded[0]!;
    const periods = resources.map(({ profiles }) => profiles.map(({ period, samples }) => [period, samples.length]));
    expect(periods).toEqual([
      [
        [52_631_578, 2],
        [526_315_780, 1],
      ],
      [[52_631_578, 1]],
    ]);
  });

  it('says blocked time as a profile of its own, of which each stack is one sample', () => {
    const blocked = { process: burn, thread: 'io', stack: [{ kind: 'kernel', function: '__schedule', file: '' }] };
    const offCpu = [
      { ...blocked, count: 3, nanoseconds: 2_500_000_000n },
      { ...blocked, thread: 'other', count: 1, nanoseconds: 1n << 60n },
    ];
    const { parts, decoded } = convert({ ...input, offCpu });
    expect(parts.map((p) => p.samples)).toEqual([12 + 2]);
    expect(countSamples(decoded[0]!), 'what the aggregator counts').toBe(14);
    const { dictionary, resources } = decoded[0]!;
    const [resource] = resources.filter(({ attributes }) => Object.fromEntries(attributes)['service.name'] === 'burn');
    const kinds = resource!.profiles.map(({ sampleType: { type, unit }, period, samples }) => {
      return [dictionary.strings[type], dictionary.strings[unit], period, samples.length];
    });
    expect(kinds).toEqual([
      ['samples', 'count', 52_631_578, 2],
      ['off_cpu', 'nanoseconds', 0, 2],
    ]);
    expect(flatten(decoded[0]!)).toContain('burn 7 io kernel:__schedule@ 2500000000');
    expect(flatten(decoded[0]!)).toContain(`burn 7 other kernel:__schedule@ ${Number.MAX_SAFE_INTEGER}`);
  });

  it('makes no message of a window without samples', () => {
    expect(convert({ taken: 0, samples: [] }).parts).toEqual([]);
  });
});
