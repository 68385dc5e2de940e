/**
 * JSON of answers that are mostly columns of numbers, as UTF-8. A typed array is written as a list; everything else is as
 * `JSON.stringify` has it.
 *
 * A flame graph of a million nodes is ten million numbers: written straight as digits they take half of the time that
 * `JSON.stringify` takes, and neither lists of boxed numbers nor a string of the whole answer are made.
 */
export function jsonBytes(value: unknown): Buffer {
  const parts: Part[] = [];
  collect(value, parts);
  // At once and never too small: what is not written to is not taken of the machine's memory.
  const out = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + room(part), 0));
  let at = 0;
  for (const part of parts) {
    if (Buffer.isBuffer(part)) {
      out.set(part, at);
      at += part.length;
    } else at = writeColumn(out, at, part);
  }
  return out.subarray(0, at);
}

/** Columns of one kind each, so that the loops below are compiled for it. */
type Column = Int32Array | Float64Array;
/** Text, or a column that is to be written. */
type Part = Buffer | Column;

const isColumn = (value: unknown): value is Column => value instanceof Int32Array || value instanceof Float64Array;

function collect(value: unknown, parts: Part[]): void {
  if (isColumn(value)) parts.push(value);
  else if (isPlainObject(value)) {
    let separator = '{';
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined) continue;
      parts.push(Buffer.from(`${separator}${JSON.stringify(key)}:`));
      collect(item, parts);
      separator = ',';
    }
    parts.push(Buffer.from(separator === '{' ? '{}' : '}'));
  } else parts.push(Buffer.from(JSON.stringify(value) ?? 'null'));
}

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

const [COMMA, MINUS, ZERO, OPEN, CLOSE] = [0x2c, 0x2d, 0x30, 0x5b, 0x5d];
/** Characters of the longest number that JavaScript writes: 17 digits behind `-0.00000`. */
const MAX_NUMBER = 25;

/** Bytes that a part never needs more of. */
const room = (part: Part) => (Buffer.isBuffer(part) ? part.length : part.length * (widest(part) + 1) + 2);

/** Characters that no number of the column is longer than. */
function widest(column: Column): number {
  let [least, most] = [0, 0];
  for (let i = 0; i < column.length; i++) {
    const value = column[i]!;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (column instanceof Float64Array && !column.every((value) => Number.isSafeInteger(value))) return MAX_NUMBER;
  return Math.max(String(least).length, String(most).length);
}

/** @returns where it ends */
function writeColumn(out: Uint8Array, from: number, column: Column): number {
  // Before each number stands a comma, before the first one the bracket.
  const written = column instanceof Float64Array ? writeFloats(out, from, column) : writeIntegers(out, from, column);
  const end = column.length === 0 ? from + 1 : written;
  out[from] = OPEN;
  out[end] = CLOSE;
  return end + 1;
}

function writeIntegers(out: Uint8Array, from: number, column: Int32Array): number {
  let at = from;
  for (let i = 0; i < column.length; i++) {
    out[at++] = COMMA;
    let value = column[i]!;
    if (value < 0) {
      out[at++] = MINUS;
      value = -value;
    }
    at = value < 10_000 ? writeUpTo4(out, at, value) : writeInteger(out, at, value);
  }
  return at;
}

function writeFloats(out: Uint8Array, from: number, column: Float64Array): number {
  let at = from;
  for (let i = 0; i < column.length; i++) {
    out[at++] = COMMA;
    let value = column[i]!;
    if (value === 0) out[at++] = ZERO;
    else if (Number.isSafeInteger(value)) {
      if (value < 0) {
        out[at++] = MINUS;
        value = -value;
      }
      at = writeInteger(out, at, value);
    } else for (const char of JSON.stringify(value)) out[at++] = char.charCodeAt(0);
  }
  return at;
}

/** 0000 to 9999: four digits each. */
const FOUR = Uint8Array.from({ length: 40_000 }, (_, i) => ZERO + (Math.trunc(i / 4 / 10 ** (3 - (i % 4))) % 10));

/** @param value from 0 to 2^53 - 1. @returns where it ends */
function writeInteger(out: Uint8Array, at: number, value: number): number {
  if (value < 1e8) return writeUpTo8(out, at, value | 0);
  const high = Math.floor(value / 1e8);
  const low = (value - high * 1e8) | 0;
  if (high < 1e8) at = writeUpTo8(out, at, high | 0);
  else {
    const highest = Math.floor(high / 1e8);
    at = write8(out, writeUpTo4(out, at, highest | 0), (high - highest * 1e8) | 0);
  }
  return write8(out, at, low);
}

function writeUpTo8(out: Uint8Array, at: number, value: number): number {
  if (value < 10_000) return writeUpTo4(out, at, value);
  const high = (value / 10_000) | 0;
  return write4(out, writeUpTo4(out, at, high), value - high * 10_000);
}

function writeUpTo4(out: Uint8Array, at: number, value: number): number {
  if (value < 10) {
    out[at] = ZERO + value;
    return at + 1;
  }
  const from = value * 4;
  if (value >= 1000) out[at++] = FOUR[from]!;
  if (value >= 100) out[at++] = FOUR[from + 1]!;
  out[at] = FOUR[from + 2]!;
  out[at + 1] = FOUR[from + 3]!;
  return at + 2;
}

function write8(out: Uint8Array, at: number, value: number): number {
  const high = (value / 10_000) | 0;
  return write4(out, write4(out, at, high), value - high * 10_000);
}

function write4(out: Uint8Array, at: number, value: number): number {
  const from = value * 4;
  out[at] = FOUR[from]!;
  out[at + 1] = FOUR[from + 1]!;
  out[at + 2] = FOUR[from + 2]!;
  out[at + 3] = FOUR[from + 3]!;
  return at + 4;
}
