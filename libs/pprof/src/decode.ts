import { WireError, WireReader } from '@perfleet/otlp/wire';
import { DEFAULT_PPROF_LIMITS, PprofDecodeError } from './model.ts';
import type { PprofFrame, PprofLimits, PprofLine, PprofMapping, PprofProfile, PprofSample } from './model.ts';

/**
 * Reads `profile.proto`.
 * @param bytes uncompressed
 * @throws PprofDecodeError on anything malformed, out of range or over a limit
 */
export function decodePprof(bytes: Uint8Array, limits: PprofLimits = DEFAULT_PPROF_LIMITS): PprofProfile {
  try {
    return decode(bytes, limits);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const hint = bytes[0] === 0x1f && bytes[1] === 0x8b ? '; the bytes are gzip: decompress them first' : '';
    throw new PprofDecodeError(`not a pprof profile: ${error.message}${hint}`, error.offset, { cause: error });
  }
}

/** Scalar fields of a message by their number, and nested messages by theirs. */
interface Row {
  readonly scalars: bigint[];
  readonly nested: Row[];
}

type ById<T> = ReadonlyMap<bigint, T>;

function decode(bytes: Uint8Array, limits: PprofLimits): PprofProfile {
  const reader = new WireReader(bytes);
  if (bytes.length > limits.bytes) reader.fail(`${bytes.length} bytes are over ${limits.bytes}`);
  const strings: string[] = [];
  const rows: Record<1 | 2 | 3 | 4 | 5 | 11, Array<{ start: number; end: number }>> = {
    1: [],
    2: [],
    3: [],
    4: [],
    5: [],
    11: [],
  };
  const scalars = { 9: 0n, 10: 0n, 12: 0n };
  const comments: bigint[] = [];
  while (reader.next()) {
    const { field } = reader;
    if (field === 6) {
      if (strings.push(reader.text(limits.stringBytes)) > limits.tableEntries)
        reader.fail(`more than ${limits.tableEntries} strings`);
    } else if (field === 9 || field === 10 || field === 12) {
      reader.expect(0);
      scalars[field] = BigInt.asIntN(64, reader.varint64());
    } else if (field === 13) {
      reader.repeated(0, () => comments.push(reader.varint64()));
    } else if (field === 11 || (field >= 1 && field <= 5)) {
      const list = rows[field as keyof typeof rows];
      const max = field === 2 ? limits.samples : limits.tableEntries;
      if (list.push(reader.nested()) > max) reader.fail(`more than ${max} entries in field ${field}`);
    } else reader.skip();
  }
  if (strings.length > 0 && strings[0] !== '') reader.fail('string 0 is not empty');
  const text = (index: bigint): string => {
    if (index === 0n) return '';
    return strings[Number(index)] ?? reader.fail(`string index ${index} is out of range (${strings.length})`);
  };
  const open = ({ start, end }: { start: number; end: number }) => new WireReader(bytes, start, end);
  const valueType = (span: { start: number; end: number }) => {
    const { scalars: s } = fields(open(span), 2);
    return { type: text(s[1]!), unit: text(s[2]!) };
  };

  const mappings = byId(rows[3], (span) => {
    const { scalars: s } = fields(open(span), 6);
    const mapping: PprofMapping = {
      path: text(s[5]!),
      buildId: text(s[6]!),
      start: s[2]!,
      limit: s[3]!,
      fileOffset: s[4]!,
    };
    return [s[1]!, mapping];
  });
  const functions = byId(rows[5], (span) => {
    const { scalars: s } = fields(open(span), 5);
    return [s[1]!, { function: text(s[2]! || s[3]!), file: text(s[4]!) }];
  });
  const frames = byId(rows[4], (span) => {
    const { scalars: s, nested } = fields(open(span), 3, 4);
    if (nested.length > limits.stackDepth) reader.fail(`more than ${limits.stackDepth} lines in a location`);
    const lines: PprofLine[] = nested.map(({ scalars: l }) => ({
      ...known(functions, l[1]!, 'function'),
      line: Number(BigInt.asIntN(64, l[2]!)),
    }));
    const frame: PprofFrame =
      s[2] === 0n ? { lines, address: s[3]! } : { lines, address: s[3]!, mapping: known(mappings, s[2]!, 'mapping') };
    return [s[1]!, frame];
  });

  function byId<T>(
    spans: Array<{ start: number; end: number }>,
    read: (span: { start: number; end: number }) => [bigint, T],
  ): ById<T> {
    const table = new Map<bigint, T>();
    for (const span of spans) {
      const [id, value] = read(span);
      if (id === 0n || table.has(id)) reader.fail(id === 0n ? 'an entry without an id' : `id ${id} is there twice`);
      table.set(id, value);
    }
    return table;
  }

  function known<T>(table: ById<T>, id: bigint, what: string): T {
    return table.get(id) ?? reader.fail(`${what} ${id} is not in the profile`);
  }

  const sampleTypes = rows[1].map(valueType);
  const samples = rows[2].map((span): Required<PprofSample> => {
    const sample = readSample(open(span), limits);
    if (sample.values.length !== sampleTypes.length)
      reader.fail(`a sample has ${sample.values.length} values for ${sampleTypes.length} sample types`);
    return {
      stack: sample.locations.map((id) => known(frames, id, 'location')),
      values: sample.values,
      labels: sample.labels.map(
        ({ scalars: l }) => [text(l[1]!), l[2] === 0n ? BigInt.asIntN(64, l[3]!) : text(l[2]!)] as const,
      ),
    };
  });
  return {
    sampleTypes,
    periodType: rows[11].length > 0 ? valueType(rows[11].at(-1)!) : { type: '', unit: '' },
    period: scalars[12],
    timeNanos: scalars[9],
    durationNanos: scalars[10],
    samples,
    comments: comments.map(text),
  };
}

/** Varint fields 1..count by number (0 when absent) and the messages of one nested field; others are skipped. */
function fields(reader: WireReader, count: number, nestedField = 0): Row {
  const row: Row = { scalars: new Array<bigint>(count + 1).fill(0n), nested: [] };
  while (reader.next()) {
    if (reader.field <= count && reader.wire === 0) row.scalars[reader.field] = reader.varint64();
    else if (reader.field === nestedField) row.nested.push(nestedRow(reader));
    else reader.skip();
  }
  return row;
}

function nestedRow(reader: WireReader): Row {
  const outer = reader.enter();
  const row = fields(reader, 4);
  reader.leave(outer);
  return row;
}

function readSample(reader: WireReader, limits: PprofLimits): { locations: bigint[]; values: bigint[]; labels: Row[] } {
  const sample = { locations: [] as bigint[], values: [] as bigint[], labels: [] as Row[] };
  while (reader.next()) {
    if (reader.field === 1) {
      reader.repeated(0, () => sample.locations.push(reader.varint64()));
      if (sample.locations.length > limits.stackDepth) reader.fail(`a stack is deeper than ${limits.stackDepth}`);
    } else if (reader.field === 2) reader.repeated(0, () => sample.values.push(BigInt.asIntN(64, reader.varint64())));
    else if (reader.field === 3) sample.labels.push(nestedRow(reader));
    else reader.skip();
  }
  return sample;
}
