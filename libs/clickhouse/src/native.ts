import { ClickHouseError, type Column } from './store.ts';

/** Array(T): row `i` is `values[offsets[i] .. offsets[i + 1])`. */
export interface NativeArray {
  readonly offsets: Uint32Array;
  readonly values: NativeValues;
}

/** Values of one column, by its type. Unsigned integers only: what ids, counts and times are made of. */
export type NativeValues = Uint8Array | Uint32Array | BigUint64Array | string[] | NativeArray;

/** A whole answer as columns. */
export interface NativeResult {
  readonly rows: number;
  readonly columns: readonly Column[];
  readonly values: readonly NativeValues[];
}

/**
 * Decodes ClickHouse's Native format (https://clickhouse.com/docs/interfaces/formats/Native): blocks of columns, each
 * value column one stretch of little-endian memory. UInt8, UInt32, DateTime, UInt64, String and arrays of them.
 * @throws ClickHouseError on another type or an answer that ends too early
 */
export function decodeNative(bytes: Uint8Array): NativeResult {
  const reader = new NativeReader(bytes);
  const columns: Column[] = [];
  const parts: Part[][] = [];
  let rows = 0;
  while (!reader.done()) {
    const count = reader.varint();
    const blockRows = reader.varint();
    for (let i = 0; i < count; i++) {
      const column = { name: reader.text(), type: reader.text() };
      columns[i] ??= column;
      (parts[i] ??= []).push(reader.values(column.type, blockRows));
    }
    rows += blockRows;
  }
  return { rows, columns, values: parts.map((part) => join(part)) };
}

/** The column `name` of an answer, as the type that the query gave it. */
export function u64(result: NativeResult, name: string): BigUint64Array {
  return pick(result, name, (v) => v instanceof BigUint64Array, new BigUint64Array(0));
}
export function u32(result: NativeResult, name: string): Uint32Array {
  return pick(result, name, (v) => v instanceof Uint32Array, new Uint32Array(0));
}
export function texts(result: NativeResult, name: string): string[] {
  return pick(result, name, (v) => Array.isArray(v), [] as string[]);
}
export function arrays<T extends NativeValues>(
  result: NativeResult,
  name: string,
): { readonly offsets: Uint32Array; readonly values: T } {
  const empty = { offsets: new Uint32Array(1), values: [] as unknown as T };
  return pick(result, name, (v) => 'offsets' in v, empty);
}

/** An answer without rows has no columns either. */
function pick<T>(result: NativeResult, name: string, is: (values: NativeValues) => boolean, empty: T): T {
  if (result.columns.length === 0) return empty;
  const at = result.columns.findIndex((column) => column.name === name);
  const values = result.values[at];
  if (values === undefined || !is(values))
    throw new ClickHouseError(`the answer's column ${name} is ${result.columns[at]?.type ?? 'missing'}`, 0);
  return values as T;
}

interface ArrayPart {
  /** Ends of the rows. */
  readonly ends: BigUint64Array;
  readonly values: Part;
}
type Part = Uint8Array | Uint32Array | BigUint64Array | string[] | ArrayPart;

class NativeReader {
  private at = 0;
  private readonly buffer: Buffer;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  done(): boolean {
    return this.at >= this.buffer.length;
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.buffer[this.at++];
      if (byte === undefined) throw truncated();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  text(): string {
    const length = this.varint();
    return this.buffer.toString('utf8', this.at, this.skip(length));
  }

  values(type: string, rows: number): Part {
    const item = /^Array\((.+)\)$/.exec(type)?.[1];
    if (item !== undefined) {
      const ends = new BigUint64Array(this.copy(rows * 8));
      return { ends, values: this.values(item, Number(ends.at(-1) ?? 0n)) };
    }
    switch (type.replace(/\(.*$/, '')) {
      case 'UInt8':
        return new Uint8Array(this.copy(rows));
      case 'UInt32':
      case 'DateTime':
        return new Uint32Array(this.copy(rows * 4));
      case 'UInt64':
        return new BigUint64Array(this.copy(rows * 8));
      case 'String':
        return this.strings(rows);
      default:
        throw new ClickHouseError(`type ${type} is not read from Native answers; cast it in the query`, 0);
    }
  }

  /** Neighbours are often equal: the same text is made once. */
  private strings(rows: number): string[] {
    const out = new Array<string>(rows);
    let [from, size, last] = [0, -1, ''];
    for (let i = 0; i < rows; i++) {
      const length = this.varint();
      const start = this.at;
      const end = this.skip(length);
      if (length !== size || this.buffer.compare(this.buffer, from, from + size, start, end) !== 0) {
        last = this.buffer.toString('utf8', start, end);
        [from, size] = [start, length];
      }
      out[i] = last;
    }
    return out;
  }

  /** Columns start anywhere; typed arrays want an aligned start. */
  private copy(length: number): ArrayBuffer {
    const start = this.at;
    const view = this.buffer.subarray(start, this.skip(length));
    const copy = new ArrayBuffer(length);
    new Uint8Array(copy).set(view);
    return copy;
  }

  private skip(length: number): number {
    this.at += length;
    if (this.at > this.buffer.length) throw truncated();
    return this.at;
  }
}

const truncated = () => new ClickHouseError('the answer of ClickHouse ended too early', 0);

/** One column out of the blocks' parts. */
function join(parts: readonly Part[]): NativeValues {
  const first = parts[0]!;
  if (Array.isArray(first)) return parts.length === 1 ? (first as string[]) : (parts as string[][]).flat();
  if ('ends' in first) {
    const all = parts as ArrayPart[];
    const offsets = new Uint32Array(all.reduce((sum, { ends }) => sum + ends.length, 1));
    let [at, base] = [1, 0];
    for (const { ends } of all) {
      for (let i = 0; i < ends.length; i++) offsets[at++] = base + Number(ends[i]!);
      base += Number(ends.at(-1) ?? 0n);
    }
    return { offsets, values: join(all.map(({ values }) => values)) };
  }
  const typed = parts as readonly (Uint8Array | Uint32Array | BigUint64Array)[];
  if (typed.length === 1) return typed[0]!;
  const length = typed.reduce((sum, part) => sum + part.length, 0);
  const out = new (first.constructor as new (length: number) => (typeof typed)[number])(length);
  let at = 0;
  for (const part of typed) {
    (out as Uint8Array).set(part as Uint8Array, at);
    at += part.length;
  }
  return out;
}
