import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeProfiles } from './decode.ts';
import { OtlpDecodeError } from './errors.ts';
import { LINK_BYTES, linkAt } from './links.ts';
import { DEFAULT_LIMITS, type AttributeValue, type Ragged } from './model.ts';
import { profilesFromJson } from './json.ts';
import { WireWriter } from './wire-writer.ts';

/** What the official Python bindings wrote, and what they say is in it (fixtures/generate.py). */
const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`../fixtures/${name}.binpb`, import.meta.url)));
const golden = fixture('agent');
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the JSON mapping of protobuf, read field by field below
const json: any = JSON.parse(readFileSync(new URL('../fixtures/agent.json', import.meta.url), 'utf8'));

type Fields = Record<string, unknown>;
const column = (rows: Fields[], field: string) => rows.map((row) => Number(row[field] ?? 0));
const bigColumn = (rows: Fields[], field: string) => rows.map((row) => BigInt((row[field] as string) ?? 0));
const lists = (rows: Fields[], field: string) => rows.map((row) => ((row[field] as unknown[]) ?? []).map(Number));
function ragged({ offsets, values }: Ragged<Int32Array | Float64Array>): number[][] {
  return Array.from(offsets.subarray(1), (end, i) => [...values.subarray(offsets[i], end)]);
}
function anyValue(value: Fields | undefined, strings: readonly string[]): AttributeValue {
  if (!value) return null;
  if ('int_value' in value) return BigInt(value['int_value'] as string);
  if ('string_value_strindex' in value) return strings[value['string_value_strindex'] as number]!;
  if ('bytes_value' in value) return new Uint8Array(Buffer.from(value['bytes_value'] as string, 'base64'));
  return (value['string_value'] ?? value['double_value'] ?? value['bool_value'] ?? null) as AttributeValue;
}

describe('messages of the official bindings', () => {
  const { dictionary: d, resources } = decodeProfiles(golden);
  const tables = json.dictionary;

  it('strings and attributes of every type', () => {
    expect(d.strings).toEqual(tables.string_table);
    expect([...d.attributes.key]).toEqual(column(tables.attribute_table, 'key_strindex'));
    expect([...d.attributes.unit]).toEqual(column(tables.attribute_table, 'unit_strindex'));
    expect(d.attributes.value).toEqual(
      tables.attribute_table.map((row: Fields) => anyValue(row['value'] as Fields, tables.string_table)),
    );
    expect(d.attributes.value).toContain('kernel');
  });

  it('mappings and functions', () => {
    expect([...d.mappings.start]).toEqual(bigColumn(tables.mapping_table, 'memory_start'));
    expect([...d.mappings.limit]).toEqual(bigColumn(tables.mapping_table, 'memory_limit'));
    expect([...d.mappings.fileOffset]).toEqual(bigColumn(tables.mapping_table, 'file_offset'));
    expect([...d.mappings.filename]).toEqual(column(tables.mapping_table, 'filename_strindex'));
    expect(ragged(d.mappings.attributes)).toEqual(lists(tables.mapping_table, 'attribute_indices'));
    expect([...d.functions.name]).toEqual(column(tables.function_table, 'name_strindex'));
    expect([...d.functions.systemName]).toEqual(column(tables.function_table, 'system_name_strindex'));
    expect([...d.functions.filename]).toEqual(column(tables.function_table, 'filename_strindex'));
    expect([...d.functions.startLine]).toEqual(column(tables.function_table, 'start_line'));
  });

  it('locations, lines and stacks', () => {
    expect([...d.locations.mapping]).toEqual(column(tables.location_table, 'mapping_index'));
    expect([...d.locations.address]).toEqual(bigColumn(tables.location_table, 'address'));
    expect(ragged(d.locations.attributes)).toEqual(lists(tables.location_table, 'attribute_indices'));
    const rows = tables.location_table.map((row: Fields) => (row['lines'] as Fields[]) ?? []);
    const { lineOffsets } = d.locations;
    const of = (values: Int32Array | Float64Array) =>
      Array.from(lineOffsets.subarray(1), (end, i) => [...values.subarray(lineOffsets[i], end)]);
    expect(of(d.lines.function)).toEqual(rows.map((lines: Fields[]) => column(lines, 'function_index')));
    expect(of(d.lines.line)).toEqual(rows.map((lines: Fields[]) => column(lines, 'line')));
    expect(ragged(d.stacks)).toEqual(lists(tables.stack_table, 'location_indices'));
  });

  it('resources, profiles and samples', () => {
    expect(resources.map((r) => r.attributes)).toEqual([
      [
        ['container.id', 'c0ffee'],
        ['k8s.namespace.name', 'shop'],
        ['replicas', 3n],
      ],
      [],
    ]);
    const expected = json.resource_profiles[0].scope_profiles[0].profiles[0];
    const profile = resources[0]!.profiles[0]!;
    expect(profile).toMatchObject({
      sampleType: { type: expected.sample_type.type_strindex, unit: expected.sample_type.unit_strindex },
      periodType: { type: expected.period_type.type_strindex, unit: expected.period_type.unit_strindex },
      period: Number(expected.period),
      timeUnixNano: BigInt(expected.time_unix_nano),
      durationNano: BigInt(expected.duration_nano),
    });
    expect([...profile.attributes]).toEqual(expected.attribute_indices);
    const { samples } = profile;
    expect(samples.length).toBe(expected.samples.length);
    expect([...samples.stack]).toEqual(column(expected.samples, 'stack_index'));
    expect(ragged(samples.attributes)).toEqual(lists(expected.samples, 'attribute_indices'));
    expect([...samples.link]).toEqual(column(expected.samples, 'link_index'));
    expect(ragged(samples.values)).toEqual(lists(expected.samples, 'values'));
    const times = (s: Fields) => ((s['timestamps_unix_nano'] as string[]) ?? []).map(BigInt);
    const { offsets, values } = samples.timestamps;
    expect(Array.from(offsets.subarray(1), (end, i) => [...values.subarray(offsets[i], end)])).toEqual(
      expected.samples.map(times),
    );
    expect(resources[1]!.profiles[0]!.samples.length).toBe(1);
  });

  it('links', () => {
    const { dictionary, resources: of } = decodeProfiles(fixture('sender'));
    const { link } = of[0]!.profiles[0]!.samples;
    expect([...link].map((index) => linkAt(dictionary, index))).toContainEqual({
      traceId: '000102030405060708090a0b0c0d0e0f',
      spanId: '0001020304050607',
    });
    // Of zeros: none.
    expect(d.links.length).toBe(2 * LINK_BYTES);
    expect(linkAt(d, 1)).toBeNull();
  });

  it('an empty message has tables with the unset entry', () => {
    const { dictionary, resources: none } = decodeProfiles(fixture('empty'));
    expect(none).toEqual([]);
    expect(dictionary.strings).toEqual(['']);
    const { mappings, locations, functions, attributes, stacks } = dictionary;
    expect([mappings.filename.length, locations.mapping.length, functions.name.length, attributes.key.length]).toEqual([
      1, 1, 1, 1,
    ]);
    expect([...stacks.offsets]).toEqual([0, 0]);
  });
});

it('ids of spans in JSON are hexadecimal, by either spelling of the fields', () => {
  const traceId = '4BF92F3577b34da6a3ce929d0e0e4736';
  for (const [table, trace, span] of [
    ['linkTable', 'traceId', 'spanId'],
    ['link_table', 'trace_id', 'span_id'],
  ] as const) {
    const links = [
      {},
      { [trace]: traceId, [span]: '00f067aa0ba902b7' },
      { [trace]: 'AAECAwQFBgcICQoLDA0ODw==', [span]: 7 },
      { [span]: '00f067aa0ba902b7' },
    ];
    const d = decodeProfiles(profilesFromJson(JSON.stringify({ dictionary: { [table]: links } }))).dictionary;
    expect([0, 1, 2, 3, 4].map((index) => linkAt(d, index))).toEqual([
      null,
      { traceId: traceId.toLowerCase(), spanId: '00f067aa0ba902b7' },
      null,
      { traceId: '0'.repeat(32), spanId: '00f067aa0ba902b7' },
      null,
    ]);
  }
});

describe('what the wire format allows', () => {
  const sampleWith = (write: (sample: WireWriter) => void) =>
    new WireWriter().message(1, (r) => r.message(2, (s) => s.message(2, (p) => p.message(2, write)))).bytes();

  it('takes repeated scalars packed, unpacked and mixed', () => {
    const bytes = sampleWith((w) =>
      w.integer(4, 1).packed(4, [2, 3]).integer(4, 4).fixed64(5, 7n).packedFixed64(5, [8n]),
    );
    const { samples } = decodeProfiles(bytes).resources[0]!.profiles[0]!;
    expect([...samples.values.values]).toEqual([1, 2, 3, 4]);
    expect([...samples.timestamps.values]).toEqual([7n, 8n]);
  });

  it('skips unknown fields of every wire type, everywhere', () => {
    const unknown = new WireWriter()
      .integer(1000, 5)
      .fixed64(1001, 6n)
      .text(1002, 'later')
      .tag(1003, 5)
      .raw(new Uint8Array(4))
      .bytes();
    const bytes = sampleWith((w) => w.raw(unknown).packed(4, [9]).raw(unknown));
    expect([...decodeProfiles(bytes).resources[0]!.profiles[0]!.samples.values.values]).toEqual([9]);
    const decoded = decodeProfiles(new WireWriter().raw(unknown).raw(golden).raw(unknown).bytes());
    expect(decoded).toEqual(decodeProfiles(golden));
  });

  it('joins a dictionary that comes in parts', () => {
    const part = (text: string) => new WireWriter().message(2, (d) => d.text(5, text)).bytes();
    const bytes = new WireWriter().raw(part('')).raw(part('a')).raw(part('b')).bytes();
    expect(decodeProfiles(bytes).dictionary.strings).toEqual(['', 'a', 'b']);
  });

  it('reads a byte order mark and replaces invalid UTF-8', () => {
    const bytes = new WireWriter()
      .message(2, (d) => d.text(5, '').text(5, '\ufeffx').data(5, Uint8Array.of(0x61, 0xff)))
      .bytes();
    expect(decodeProfiles(bytes).dictionary.strings).toEqual(['', '\ufeffx', 'a\ufffd']);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['a length past the end', Uint8Array.of(0x0a, 5, 0), /length 5 goes past the end \(at byte 2\)/],
    ['a varint without end', Uint8Array.of(0x0a, ...new Array(11).fill(0xff)), /varint longer than ten bytes/],
    ['a cut varint', Uint8Array.of(0x80), /varint cut off/],
    ['a wrong wire type', sampleWith((w) => w.fixed64(1, 1n)), /field 1: wire type 1 instead of 0/],
    ['a group', Uint8Array.of(0x7b), /wire type 3/],
    ['field number 0', Uint8Array.of(0x02, 0), /field number 0/],
    ['a negative index', sampleWith((w) => w.integer(1, -1)), /stack index 4294967295 is out of range/],
    ['a first string that is not empty', new WireWriter().message(2, (d) => d.text(5, 'x')).bytes(), /string 0/],
    [
      'an attribute key out of range',
      new WireWriter().message(2, (d) => d.message(6, (a) => a.integer(1, 1))).bytes(),
      /string index 1 is out of range/,
    ],
    [
      'profiles without bound',
      new WireWriter()
        .message(1, (r) => r.message(2, (s) => s.raw(new Uint8Array(40_000).map((_, i) => (i % 2 ? 0 : 0x12)))))
        .bytes(),
      /more than 16384 profiles/,
    ],
  ])('refuses %s', (_, bytes, reason) => {
    expect(() => decodeProfiles(bytes)).toThrow(reason);
    expect(() => decodeProfiles(bytes)).toThrow(OtlpDecodeError);
  });
});

describe('a message as large as the limit', () => {
  const size = DEFAULT_LIMITS.messageBytes - 64;
  const filled = (pattern: readonly number[]) => new Uint8Array(size).map((_, i) => pattern[i % pattern.length]!);
  const inSample = (write: (sample: WireWriter) => void) =>
    new WireWriter(size + 64).message(1, (r) => r.message(2, (s) => s.message(2, (p) => p.message(2, write)))).bytes();

  it.each<[string, Uint8Array]>([
    ['empty resources', filled([0x0a, 0])],
    ['empty dictionaries', filled([0x12, 0])],
    ['empty stacks', new WireWriter(size + 64).data(2, filled([0x3a, 0])).bytes()],
    ['lines', new WireWriter(size + 64).message(2, (d) => d.data(2, filled([0x1a, 0]))).bytes()],
    ['values', inSample((w) => w.data(4, filled([1])))],
    ['values, each with its tag', inSample((w) => w.raw(filled([0x20, 1])))],
    ['timestamps', inSample((w) => w.data(5, filled([1]).subarray(0, size - (size % 8))))],
    ['empty unknown fields', filled([0x7a, 0])],
  ])('of %s is read or refused within seconds', (_, bytes) => {
    const start = performance.now();
    try {
      decodeProfiles(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(OtlpDecodeError);
    }
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});
