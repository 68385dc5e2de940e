import { IntColumn, RaggedColumn } from './columns.ts';
import { decodeLink, LINK_BYTES } from './links.ts';
import type { AttributeValue, DecodeLimits, Dictionary } from './model.ts';
import { WireReader } from './wire-reader.ts';

/** A reader that stands before a nested message without fields. */
function emptyMessage(): WireReader {
  const reader = new WireReader(Uint8Array.of(0x0a, 0));
  reader.next();
  return reader;
}

/** Wire types of AnyValue's fields 1..8. */
const ANY_VALUE_WIRE = [-1, 2, 0, 0, 1, 2, 2, 2, 0];

/**
 * `ProfilesDictionary` (profiles/v1development): tables into columns, then every index checked. A dictionary that comes in
 * several parts is their concatenation, as for every message field that is repeated on the wire.
 */
export function decodeDictionary(readers: readonly WireReader[], limits: DecodeLimits): Dictionary {
  let reader = readers[0] ?? emptyMessage();
  const strings: string[] = [];
  const attribute = {
    key: new IntColumn(),
    value: [] as AttributeValue[],
    reference: new Map<number, number>(),
    unit: new IntColumn(),
  };
  const mapping = {
    start: [] as bigint[],
    limit: [] as bigint[],
    offset: [] as bigint[],
    filename: new IntColumn(),
    attributes: new RaggedColumn(),
  };
  const func = {
    name: new IntColumn(),
    systemName: new IntColumn(),
    filename: new IntColumn(),
    startLine: [] as number[],
  };
  const location = {
    mapping: new IntColumn(),
    address: [] as bigint[],
    lineOffsets: [0],
    attributes: new RaggedColumn(),
  };
  const line = { function: new IntColumn(), line: [] as number[] };
  const stacks = new RaggedColumn();
  const links: Uint8Array[] = [];
  let entries = 0;

  for (reader of readers) decodePart();

  function decodePart(): void {
    while (reader.next()) {
      if (++entries > limits.tableEntries) reader.fail(`more than ${limits.tableEntries} table entries`);
      switch (reader.field) {
        case 1:
          decodeMapping();
          break;
        case 2:
          decodeLocation();
          break;
        case 3:
          decodeFunction();
          break;
        case 4:
          if (reader.wire === 2) links.push(decodeLink(reader.data()));
          else reader.skip();
          break;
        case 5:
          strings.push(reader.text(limits.stringBytes));
          break;
        case 6:
          decodeAttribute();
          break;
        case 7:
          decodeStack();
          break;
        default:
          reader.skip();
      }
    }
  }
  if (strings.length > 0 && strings[0] !== '') reader.fail('string 0 is not empty');
  // A table without entry 0 gets the unset one, so that whoever follows an index of 0 finds it.
  if (strings.length === 0) strings.push('');
  const missing: Array<readonly [number, () => void]> = [
    [mapping.start.length, decodeMapping],
    [location.address.length, decodeLocation],
    [func.startLine.length, decodeFunction],
    [attribute.value.length, decodeAttribute],
    [stacks.rows, decodeStack],
  ];
  for (const [length, decodeRow] of missing) {
    if (length > 0) continue;
    reader = emptyMessage();
    decodeRow();
  }

  function scalars(into: RaggedColumn, max: number): void {
    reader.repeated(0, () => {
      if (into.open >= max) reader.fail(`more than ${max} entries in one row`);
      into.values.push(reader.varint32());
    });
  }

  function decodeMapping(): void {
    const outer = reader.enter();
    let [start, limit, offset, filename] = [0n, 0n, 0n, 0];
    while (reader.next()) {
      if (reader.field === 5) scalars(mapping.attributes, 64);
      else if (reader.field > 5 || reader.field < 1) reader.skip();
      else {
        reader.expect(0);
        if (reader.field === 1) start = reader.varint64();
        else if (reader.field === 2) limit = reader.varint64();
        else if (reader.field === 3) offset = reader.varint64();
        else filename = reader.varint32();
      }
    }
    reader.leave(outer);
    mapping.start.push(start);
    mapping.limit.push(limit);
    mapping.offset.push(offset);
    mapping.filename.push(filename);
    mapping.attributes.endRow();
  }

  function decodeLocation(): void {
    const outer = reader.enter();
    let mappingIndex = 0;
    let address = 0n;
    while (reader.next()) {
      if (reader.field === 1 || reader.field === 2) {
        reader.expect(0);
        if (reader.field === 1) mappingIndex = reader.varint32();
        else address = reader.varint64();
      } else if (reader.field === 3) {
        if (line.line.length - location.lineOffsets.at(-1)! >= limits.stackDepth)
          reader.fail(`more than ${limits.stackDepth} lines in a location`);
        decodeLine();
      } else if (reader.field === 4) scalars(location.attributes, 64);
      else reader.skip();
    }
    reader.leave(outer);
    location.mapping.push(mappingIndex);
    location.address.push(address);
    location.lineOffsets.push(line.line.length);
    location.attributes.endRow();
  }

  function decodeLine(): void {
    const outer = reader.enter();
    let functionIndex = 0;
    let number = 0;
    while (reader.next()) {
      if (reader.field === 1 || reader.field === 2) {
        reader.expect(0);
        if (reader.field === 1) functionIndex = reader.varint32();
        else number = reader.int64();
      } else reader.skip();
    }
    reader.leave(outer);
    line.function.push(functionIndex);
    line.line.push(number);
  }

  function decodeFunction(): void {
    const outer = reader.enter();
    const row = [0, 0, 0, 0, 0];
    while (reader.next()) {
      if (reader.field >= 1 && reader.field <= 4) {
        reader.expect(0);
        row[reader.field] = reader.field === 4 ? reader.int64() : reader.varint32();
      } else reader.skip();
    }
    reader.leave(outer);
    func.name.push(row[1]!);
    func.systemName.push(row[2]!);
    func.filename.push(row[3]!);
    func.startLine.push(row[4]!);
  }

  function decodeAttribute(): void {
    const outer = reader.enter();
    let key = 0;
    let unit = 0;
    let value: AttributeValue = null;
    while (reader.next()) {
      if (reader.field === 1 || reader.field === 3) {
        reader.expect(0);
        if (reader.field === 1) key = reader.varint32();
        else unit = reader.varint32();
      } else if (reader.field === 2) {
        const decoded = decodeAnyValue(reader, limits);
        value = decoded.value;
        if (decoded.reference >= 0) attribute.reference.set(attribute.value.length, decoded.reference);
      } else reader.skip();
    }
    reader.leave(outer);
    attribute.key.push(key);
    attribute.unit.push(unit);
    attribute.value.push(value);
  }

  function decodeStack(): void {
    const outer = reader.enter();
    while (reader.next()) {
      if (reader.field === 1) scalars(stacks, limits.stackDepth);
      else reader.skip();
    }
    reader.leave(outer);
    stacks.endRow();
  }

  const check = (column: Int32Array, length: number, what: string): Int32Array => {
    for (const index of column)
      if (index >>> 0 >= length) reader.fail(`${what} ${index >>> 0} is out of range (${length})`);
    return column;
  };
  for (const [row, reference] of attribute.reference) {
    if (reference >= strings.length) reader.fail(`string index ${reference} is out of range (${strings.length})`);
    attribute.value[row] = strings[reference]!;
  }
  const attributes = attribute.value.length;
  const locationAttributes = location.attributes.done();
  const mappingAttributes = mapping.attributes.done();
  check(locationAttributes.values, attributes, 'attribute index');
  check(mappingAttributes.values, attributes, 'attribute index');
  const stackTable = stacks.done();
  check(stackTable.values, location.address.length, 'location index');
  return {
    strings,
    attributes: {
      key: check(attribute.key.done(), strings.length, 'string index'),
      value: attribute.value,
      unit: check(attribute.unit.done(), strings.length, 'string index'),
    },
    mappings: {
      start: BigUint64Array.from(mapping.start),
      limit: BigUint64Array.from(mapping.limit),
      fileOffset: BigUint64Array.from(mapping.offset),
      filename: check(mapping.filename.done(), strings.length, 'string index'),
      attributes: mappingAttributes,
    },
    functions: {
      name: check(func.name.done(), strings.length, 'string index'),
      systemName: check(func.systemName.done(), strings.length, 'string index'),
      filename: check(func.filename.done(), strings.length, 'string index'),
      startLine: Float64Array.from(func.startLine),
    },
    locations: {
      mapping: check(location.mapping.done(), mapping.start.length, 'mapping index'),
      address: BigUint64Array.from(location.address),
      lineOffsets: Uint32Array.from(location.lineOffsets),
      attributes: locationAttributes,
    },
    lines: {
      function: check(line.function.done(), func.startLine.length, 'function index'),
      line: Float64Array.from(line.line),
    },
    stacks: stackTable,
    links: Uint8Array.from(
      { length: links.length * LINK_BYTES },
      (_, i) => links[Math.floor(i / LINK_BYTES)]![i % LINK_BYTES]!,
    ),
  };
}

/**
 * `AnyValue`; `reference` is an index into the string table (string_value_strindex) or -1. The last value wins, as for every
 * oneof. Arrays and maps read as null.
 */
export function decodeAnyValue(reader: WireReader, limits: DecodeLimits): { value: AttributeValue; reference: number } {
  const outer = reader.enter();
  let value: AttributeValue = null;
  let reference = -1;
  while (reader.next()) {
    const { field } = reader;
    if (field < 1 || field > 8) {
      reader.skip();
      continue;
    }
    reader.expect(ANY_VALUE_WIRE[field]!);
    value = null;
    reference = -1;
    if (field === 1) value = reader.text(limits.stringBytes);
    else if (field === 2) value = reader.varint64() !== 0n;
    else if (field === 3) value = BigInt.asIntN(64, reader.varint64());
    else if (field === 4) value = reader.double();
    else if (field === 7) value = reader.data().slice();
    else if (field === 8) reference = reader.varint32();
    else reader.skip();
  }
  reader.leave(outer);
  return { value, reference };
}
