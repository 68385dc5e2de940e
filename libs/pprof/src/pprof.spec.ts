import { describe, expect, it } from 'vitest';
import { decodePprof } from './decode.ts';
import { encodePprof } from './encode.ts';
import { exampleProfile } from './example.fixture.ts';
import { DEFAULT_PPROF_LIMITS, PprofDecodeError } from './model.ts';

describe('encode and decode', () => {
  const profile = decodePprof(encodePprof(exampleProfile()));

  it('keeps types, period and times', () => {
    expect(profile).toMatchObject({
      sampleTypes: [
        { type: 'samples', unit: 'count' },
        { type: 'cpu', unit: 'nanoseconds' },
      ],
      periodType: { type: 'cpu', unit: 'nanoseconds' },
      period: 10_101_010n,
      timeNanos: 1_764_000_000_123_456_789n,
      durationNanos: 5_000_000_000n,
      comments: ['recorded by a test'],
    });
  });

  it('keeps stacks leaf first with inline chains, values and labels', () => {
    const [first, second, third] = profile.samples;
    expect(first!.stack.map((frame) => frame.lines.map((line) => line.function))).toEqual([['tiny', 'hot'], ['main']]);
    expect(first!.stack[0]!.lines[0]).toEqual({ function: 'tiny', file: 'tiny.h', line: 3 });
    expect(first!.values).toEqual([3n, 30_303_030n]);
    expect(first!.labels).toEqual([
      ['process', 'demo'],
      ['thread', 'main'],
      ['pid', 42n],
    ]);
    expect(second!.stack[0]!.address).toBe(0xffff_ffff_8100_0000n);
    expect(second!.values[1]).toBe(2n ** 53n + 1n);
    expect(third!.stack[0]!.lines).toEqual([]);
  });

  it('shares a frame that is used twice and puts the program first', () => {
    expect(profile.samples[0]!.stack[1]).toBe(profile.samples[1]!.stack[1]);
    expect(profile.samples[0]!.stack[0]!.mapping).toMatchObject({ path: '/opt/demo', buildId: 'abcdef01' });
    expect(profile.samples[2]!.stack[0]!.mapping).toMatchObject({
      path: '/usr/lib/libc.so.6',
      start: 0n,
      limit: 0x2000n,
    });
  });

  it('refuses a sample that has not one value per type', () => {
    const profile = { ...exampleProfile(), samples: [{ stack: [], values: [1] }] };
    expect(() => encodePprof(profile)).toThrow(/1 values for 2 sample types/);
  });
});

describe('untrusted input', () => {
  const good = encodePprof(exampleProfile());

  it('throws nothing but PprofDecodeError on truncated and flipped bytes', () => {
    let refused = 0;
    let seed = 1;
    const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
    for (let length = 0; length < good.length; length++) refused += attempt(good.subarray(0, length));
    for (let round = 0; round < 5000; round++) {
      const bytes = good.slice();
      for (let flips = random(4) + 1; flips > 0; flips--) bytes[random(bytes.length)] = random(256);
      refused += attempt(bytes);
    }
    expect(refused).toBeGreaterThan(1000);
  });

  it('names limits and compressed input', () => {
    expect(() => decodePprof(good, { ...DEFAULT_PPROF_LIMITS, bytes: 10 })).toThrow(/over 10/);
    expect(() => decodePprof(good, { ...DEFAULT_PPROF_LIMITS, samples: 2 })).toThrow(/more than 2 entries/);
    expect(() => decodePprof(good, { ...DEFAULT_PPROF_LIMITS, stackDepth: 1 })).toThrow(
      /more than 1 lines|deeper than 1/,
    );
    expect(() => decodePprof(Uint8Array.of(0x1f, 0x8b, 8, 0))).toThrow(/decompress/);
  });

  function attempt(bytes: Uint8Array): number {
    try {
      decodePprof(bytes);
      return 0;
    } catch (error) {
      expect(error).toBeInstanceOf(PprofDecodeError);
      return 1;
    }
  }
});
