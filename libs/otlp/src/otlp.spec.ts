import { describe, expect, it } from 'vitest';
import { attributeOf, frameType, mappingBinary } from './attributes.ts';
import { decodeProfiles } from './decode.ts';
import { ProfilesEncoder } from './encoder.ts';
import { OtlpDecodeError } from './errors.ts';

function example(): Uint8Array {
  const e = new ProfilesEncoder();
  const mapping = e.mapping({ filename: '/usr/lib/libc.so.6', gnuBuildId: 'abcd', htlHash: 'ef' });
  const native = e.location({ mapping, address: 0xffff_8000_1234_5678n, kind: 'native' });
  const named = e.location({
    kind: 'v8js',
    lines: [
      [e.func('inner', 'a.js'), 7],
      [e.func('outer', 'b.js'), 9],
    ],
  });
  const profile = e
    .resource([
      ['container.id', 'c0'],
      ['service.name', 'häufig'],
    ])
    .profile({
      sampleType: { type: 'samples', unit: 'count' },
      periodType: { type: 'cpu', unit: 'nanoseconds' },
      period: 52_631_578,
      timeUnixNano: 1_764_000_000_123_456_789n,
      durationNano: 5_000_000_000n,
    });
  profile.sample(e.stack([native, named]), [e.attribute('process.pid', 42), e.attribute('thread.name', 'main')], 3);
  profile.sample(e.stack([named]), [], 300_000_000_000, [1n, 2n ** 63n]);
  expect(e.estimatedBytes).toBeGreaterThanOrEqual(e.finish().length);
  return e.finish().slice();
}

describe('encode and decode', () => {
  const { dictionary, resources } = decodeProfiles(example());
  const profile = resources[0]!.profiles[0]!;

  it('keeps resources, types and times', () => {
    expect(resources[0]!.attributes).toEqual([
      ['container.id', 'c0'],
      ['service.name', 'häufig'],
    ]);
    expect(dictionary.strings[profile.sampleType.type]).toBe('samples');
    expect(dictionary.strings[profile.periodType.unit]).toBe('nanoseconds');
    expect(profile).toMatchObject({
      period: 52_631_578,
      timeUnixNano: 1_764_000_000_123_456_789n,
      durationNano: 5_000_000_000n,
    });
  });

  it('keeps samples with values over 32 bits, timestamps and attributes', () => {
    const { samples } = profile;
    expect(samples.length).toBe(2);
    expect([...samples.values.values]).toEqual([3, 300_000_000_000]);
    expect([...samples.timestamps.offsets]).toEqual([0, 0, 2]);
    expect([...samples.timestamps.values]).toEqual([1n, 2n ** 63n]);
    expect(attributeOf(dictionary, samples.attributes, 0, 'process.pid')).toBe(42n);
    expect(attributeOf(dictionary, samples.attributes, 0, 'thread.name')).toBe('main');
    expect(attributeOf(dictionary, samples.attributes, 1, 'thread.name')).toBeUndefined();
  });

  it('keeps stacks leaf first, native addresses and inline chains', () => {
    const { stacks, locations, lines, functions } = dictionary;
    const stack = profile.samples.stack[0]!;
    const [native, named] = [...stacks.values.slice(stacks.offsets[stack], stacks.offsets[stack + 1])] as [
      number,
      number,
    ];
    expect(locations.address[native]).toBe(0xffff_8000_1234_5678n);
    expect(frameType(dictionary, native)).toBe('native');
    expect(mappingBinary(dictionary, locations.mapping[native]!)).toEqual({
      gnuBuildId: 'abcd',
      htlHash: 'ef',
      filename: '/usr/lib/libc.so.6',
    });
    expect(frameType(dictionary, named)).toBe('v8js');
    const chain = [...lines.function.slice(locations.lineOffsets[named], locations.lineOffsets[named + 1])].map(
      (f) => dictionary.strings[functions.name[f]!],
    );
    expect(chain).toEqual(['inner', 'outer']);
    expect([...lines.line]).toEqual([7, 9]);
  });

  it('writes equal entries once', () => {
    const e = new ProfilesEncoder();
    expect(e.func('a', 'b')).toBe(e.func('a', 'b'));
    expect(e.mapping({ filename: 'x' })).not.toBe(e.mapping({ filename: 'y' }));
    expect(e.stack([])).toBe(0);
  });
});

describe('untrusted input', () => {
  const good = example();

  it('refuses every truncation or reads it as a shorter message, and throws nothing else', () => {
    for (let length = 0; length < good.length; length++) attempt(good.subarray(0, length));
  });

  it('survives flipped bytes', () => {
    let seed = 1;
    const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
    for (let round = 0; round < 5000; round++) {
      const bytes = good.slice();
      for (let flips = random(4) + 1; flips > 0; flips--) bytes[random(bytes.length)] = random(256);
      attempt(bytes);
    }
  });

  it('names what is out of range and what is over a limit', () => {
    const e = new ProfilesEncoder();
    e.resource([])
      .profile({
        sampleType: { type: '', unit: '' },
        periodType: { type: '', unit: '' },
        period: 0,
        timeUnixNano: 0n,
        durationNano: 0n,
      })
      .sample(9, [], 1);
    expect(() => decodeProfiles(e.finish())).toThrow(/stack index 9 is out of range/);
    const limits = { messageBytes: 10, tableEntries: 10, stackDepth: 1, stringBytes: 10, samples: 1 };
    expect(() => decodeProfiles(good, limits)).toThrow(/over 10/);
    expect(() => decodeProfiles(good, { ...limits, messageBytes: 1e6 })).toThrow(OtlpDecodeError);
  });

  function attempt(bytes: Uint8Array): void {
    try {
      decodeProfiles(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(OtlpDecodeError);
    }
  }
});
