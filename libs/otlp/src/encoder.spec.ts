import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { ProfilesEncoder } from './encoder.ts';
import { OTLP_PROTO } from './otlp-proto.fixture.ts';

const message = protobuf.parse(OTLP_PROTO, { keepCase: true }).root.lookupType('ExportProfilesServiceRequest');
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a parser without generated types
const parse = (bytes: Uint8Array): any => message.toObject(message.decode(bytes), { longs: String });

const ABOUT = {
  sampleType: { type: 'samples', unit: 'count' },
  periodType: { type: 'cpu', unit: 'nanoseconds' },
  period: 52_631_578,
  timeUnixNano: 1_764_000_000_123_456_789n,
  durationNano: 5_000_000_000n,
};

describe('what another parser reads', () => {
  it('is every field as it was given', () => {
    const e = new ProfilesEncoder();
    const mapping = e.mapping({
      filename: '/bin/häufig',
      gnuBuildId: 'ab',
      htlHash: 'cd',
      start: 2n ** 64n - 1n,
      limit: 300n,
      fileOffset: 4096n,
    });
    const native = e.location({ mapping, address: 0xffff_8000_1234_5678n, kind: 'native' });
    const longName = 'n'.repeat(300);
    const named = e.location({
      kind: 'v8js',
      lines: [
        [e.func(longName, 'ü'.repeat(41)), 70_000],
        [e.func('outer', ''), 0],
      ],
    });
    const resource = e.resource([
      ['service.name', 'shop'],
      ['replicas', 3n],
      ['ratio', 0.5],
      ['spot', false],
      ['raw', Uint8Array.of(1, 0)],
    ]);
    const profile = resource.profile(ABOUT);
    profile.sample(e.stack([native, named]), [e.attribute('process.pid', -42)], 2 ** 53 - 1);
    profile.sample(e.stack([named]), [], undefined, [1n, 2n ** 64n - 1n]);
    resource.profile({ ...ABOUT, period: 0 }).sample(0, [], -5n);
    const parsed = parse(e.finish());

    const d = parsed.dictionary;
    const s = (index: number | undefined) => d.string_table[index ?? 0];
    expect(d.string_table[0]).toBe('');
    const { filename_strindex, attribute_indices, ...bounds } = d.mapping_table[mapping];
    expect(bounds).toEqual({ memory_start: '18446744073709551615', memory_limit: '300', file_offset: '4096' });
    expect(s(filename_strindex)).toBe('/bin/häufig');
    const attributes = (indices: number[]) =>
      indices.map((i) => [s(d.attribute_table[i].key_strindex), d.attribute_table[i].value]);
    expect(attributes(attribute_indices)).toEqual([
      ['process.executable.build_id.gnu', { string_value: 'ab' }],
      ['process.executable.build_id.htlhash', { string_value: 'cd' }],
    ]);
    expect(d.location_table[native]).toMatchObject({ mapping_index: mapping, address: String(0xffff_8000_1234_5678n) });
    expect(attributes(d.location_table[native].attribute_indices)).toEqual([
      ['profile.frame.type', { string_value: 'native' }],
    ]);
    const lines = d.location_table[named].lines.map((line: { function_index: number; line?: string }) => {
      const fn = d.function_table[line.function_index];
      return [s(fn.name_strindex), s(fn.filename_strindex), line.line ?? '0'];
    });
    expect(lines).toEqual([
      [longName, 'ü'.repeat(41), '70000'],
      ['outer', '', '0'],
    ]);
    for (const table of ['mapping_table', 'location_table', 'function_table', 'stack_table'])
      expect(d[table][0]).toEqual({});

    expect(parsed.resource_profiles[0].resource.attributes).toEqual([
      { key: 'service.name', value: { string_value: 'shop' } },
      { key: 'replicas', value: { int_value: '3' } },
      { key: 'ratio', value: { double_value: 0.5 } },
      { key: 'spot', value: { bool_value: false } },
      { key: 'raw', value: { bytes_value: Uint8Array.of(1, 0) } },
    ]);
    const [first, second] = parsed.resource_profiles[0].scope_profiles[0].profiles;
    expect(first).toMatchObject({
      time_unix_nano: '1764000000123456789',
      duration_nano: '5000000000',
      period: '52631578',
    });
    expect([s(first.sample_type.type_strindex), s(first.sample_type.unit_strindex)]).toEqual(['samples', 'count']);
    expect([s(first.period_type.type_strindex), s(first.period_type.unit_strindex)]).toEqual(['cpu', 'nanoseconds']);
    expect(first.samples[0].values).toEqual(['9007199254740991']);
    expect(d.stack_table[first.samples[0].stack_index].location_indices).toEqual([native, named]);
    expect(attributes(first.samples[0].attribute_indices)).toEqual([['process.pid', { int_value: '-42' }]]);
    expect(first.samples[1]).toEqual({ stack_index: 2, timestamps_unix_nano: ['1', '18446744073709551615'] });
    expect(second.samples).toEqual([{ values: ['-5'] }]);
  });
});

describe('estimatedBytes', () => {
  it('is never below the message, and close to it', () => {
    const e = new ProfilesEncoder();
    for (let r = 0; r < 20; r++) {
      const profile = e.resource([['container.id', `c${r}`]]).profile(ABOUT);
      for (let i = 0; i < 200; i++) {
        const frames = Array.from({ length: i % 30 }, (_, depth) =>
          e.location({ kind: 'v8js', lines: [[e.func(`f${(i * depth) % 97}`, `file${depth}.js`), depth]] }),
        );
        profile.sample(e.stack(frames), [e.attribute('thread.name', `t${i % 5}`)], i);
      }
      const size = e.finish().length;
      expect(e.estimatedBytes).toBeGreaterThanOrEqual(size);
      expect(e.estimatedBytes).toBeLessThan(size + 100 + 64 * (r + 1));
    }
  });
});

describe('interning', () => {
  it('keeps names apart that only together look the same', () => {
    const e = new ProfilesEncoder();
    expect(e.func('a\0b', '')).not.toBe(e.func('a', 'b\0'));
    expect(e.attribute('k', '1')).not.toBe(e.attribute('k', 1));
    expect(e.func('', '')).toBe(0);
    expect(e.mapping({ filename: '' })).toBe(0);
  });
});
