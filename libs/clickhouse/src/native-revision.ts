import { ClickHouseError } from './store.ts';

/** Versions of ClickHouse's protocol from which on a block of Native carries more. */
const WITH_CUSTOM_SERIALIZATION = 54454;

/** Field 1: not an overflow; field 2: bucket -1; end. */
const BLOCK_INFO = Uint8Array.of(1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0);
const NOT_CUSTOM = Uint8Array.of(0);
const NOTHING = new Uint8Array(0);

/**
 * Native as a client that sent `client_protocol_version` reads it: each block begins with what the protocol tells of it, and each
 * column of later versions with how it is serialised. The embedded engine writes version 0 only. `clickhouse-go`, and so Grafana's
 * data source, reads nothing else.
 * @throws ClickHouseError for a type whose values have no known length
 */
export function withRevision(native: Uint8Array, revision: number): Uint8Array {
  if (revision <= 0) return native;
  const mark = revision >= WITH_CUSTOM_SERIALIZATION ? NOT_CUSTOM : NOTHING;
  const walk = new Walk(native);
  const parts: Uint8Array[] = [];
  while (walk.at < native.length) {
    parts.push(BLOCK_INFO);
    let from = walk.at;
    const columns = walk.varint();
    const rows = walk.varint();
    for (let i = 0; i < columns; i++) {
      walk.text();
      const type = walk.text();
      parts.push(native.subarray(from, walk.at), mark);
      from = walk.at;
      if (rows > 0) walk.column(type, rows);
    }
    parts.push(native.subarray(from, walk.at));
  }
  return Buffer.concat(parts);
}

/** Bytes of one value, by the type's name without its arguments. */
const SIZES: Readonly<Record<string, number>> = {
  ...{ UInt8: 1, UInt16: 2, UInt32: 4, UInt64: 8, UInt128: 16, UInt256: 32 },
  ...{ Int8: 1, Int16: 2, Int32: 4, Int64: 8, Int128: 16, Int256: 32 },
  ...{ Float32: 4, Float64: 8, BFloat16: 2, Bool: 1, Enum8: 1, Enum16: 2, UUID: 16, IPv4: 4, IPv6: 16, Nothing: 1 },
  ...{ Date: 2, Date32: 4, DateTime: 4, DateTime64: 8, Time: 4, Time64: 8, Point: 16 },
};

class Walk {
  at = 0;
  private readonly buffer: Buffer;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.buffer[this.at++];
      if (byte === undefined) throw new ClickHouseError('the answer of ClickHouse ended too early', 0);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  text(): string {
    const length = this.varint();
    this.at += length;
    return this.buffer.toString('utf8', this.at - length, this.at);
  }

  /** Moves behind a column. */
  column(type: string, rows: number): void {
    // The version of each dictionary stands before all values, also where they are inside of others.
    this.at += 8 * type.replace(QUOTED, '').split('LowCardinality(').slice(1).length;
    this.values(type, rows);
    if (this.at > this.buffer.length)
      throw new ClickHouseError(`a column of type ${type} is not read as it was written`, 0);
  }

  private values(type: string, rows: number): void {
    const [, name = type, inside = ''] = /^(\w+)(?:\((.*)\))?$/s.exec(type) ?? [];
    const args = splitArguments(inside);
    switch (name) {
      case 'LowCardinality':
        return this.dictionary(inside.replace(/^Nullable\((.*)\)$/s, '$1'), rows);
      case 'String':
        for (let i = 0; i < rows; i++) {
          const length = this.varint();
          this.at += length;
        }
        return;
      case 'FixedString':
        this.at += rows * Number(inside);
        return;
      case 'Nullable':
        this.at += rows;
        return this.values(inside, rows);
      case 'Array':
        return this.values(inside, this.ends(rows));
      case 'Map': {
        const items = this.ends(rows);
        for (const arg of args) this.values(arg, items);
        return;
      }
      case 'Nested': {
        const items = this.ends(rows);
        for (const arg of args) this.values(withoutName(arg), items);
        return;
      }
      case 'Tuple':
        for (const arg of args) this.values(withoutName(arg), rows);
        return;
      case 'Decimal':
        this.at += rows * decimalSize(Number(args[0]));
        return;
      default: {
        const size = name.startsWith('Interval') ? 8 : SIZES[name];
        if (size === undefined)
          throw new ClickHouseError(
            `Code: 48. DB::Exception: A column of type ${type} cannot be sent in Native to a client of this kind: cast it in the query, or ask for another format. (NOT_IMPLEMENTED)`,
            48,
          );
        this.at += rows * size;
      }
    }
  }

  /** What kind of indexes, the different values, and which of them each row has. */
  private dictionary(type: string, rows: number): void {
    if (rows === 0) return;
    const indexBytes = 2 ** this.u64(0xff);
    this.values(type, this.u64());
    const indexes = this.u64();
    this.at += indexes * indexBytes;
  }

  private u64(mask?: number): number {
    this.at += 8;
    const value = Number(this.buffer.readBigUInt64LE(this.at - 8));
    return mask === undefined ? value : value & mask;
  }

  /** Ends of arrays. @returns how many items there are in all */
  private ends(rows: number): number {
    this.at += rows * 8;
    return rows === 0 ? 0 : Number(this.buffer.readBigUInt64LE(this.at - 8));
  }
}

const QUOTED = /'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`/gs;

/** At the commas that stand outside of parentheses and of quotes. */
function splitArguments(text: string): string[] {
  const args: string[] = [];
  let current = '';
  let depth = 0;
  for (const [token] of text.matchAll(/'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|[^]/g)) {
    if (token === ',' && depth === 0) {
      args.push(current.trim());
      current = '';
      continue;
    }
    if (token === '(') depth++;
    if (token === ')') depth--;
    current += token;
  }
  return current.trim() === '' ? args : [...args, current.trim()];
}

/** `name Type` of a named tuple, or `Type`. */
function withoutName(element: string): string {
  return /^(?:`(?:\\.|[^`\\])*`|\w+)\s+(\w.*)$/s.exec(element)?.[1] ?? element;
}

function decimalSize(precision: number): number {
  return precision <= 9 ? 4 : precision <= 18 ? 8 : precision <= 38 ? 16 : 32;
}
