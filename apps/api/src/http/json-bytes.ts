/**
 * JSON of answers that are mostly columns of numbers, as UTF-8. A typed array is written as a list; everything else is as
 * `JSON.stringify` has it.
 *
 * A flame graph of a million nodes is ten million numbers: written straight as digits they take half of the time that
 * `JSON.stringify` takes, and neither lists of boxed numbers nor a string of the whole answer are made.
 */
export function jsonBytes(value: unknown): Buffer {
  const pieces: Buffer[] = [];
  write(value, pieces);
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

/** Columns of one kind each, so that the loops below are compiled for it. */
type Column = Int32Array | Float64Array;

function write(value: unknown, pieces: Buffer[]): void {
  if (value instanceof Int32Array || value instanceof Float64Array) writeColumn(value, pieces);
  else if (isPlainObject(value)) {
    let separator = '{';
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined) continue;
      pieces.push(Buffer.from(`${separator}${JSON.stringify(key)}:`));
      write(item, pieces);
      separator = ',';
    }
    pieces.push(Buffer.from(separator === '{' ? '{}' : '}'));
  } else pieces.push(Buffer.from(JSON.stringify(value) ?? 'null'));
}

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

const [COMMA, MINUS, ZERO, OPEN, CLOSE] = [0x2c, 0x2d, 0x30, 0x5b, 0x5d];
/** Numbers that are written before the bytes are put aside: what is written stays in the processor's cache. */
const AT_ONCE = 8192;
/** Characters of the longest number that JavaScript writes, 17 digits behind `-0.00000`, and a comma. */
const MAX_NUMBER = 26;
/** Nothing waits while a column is written. */
const scratch = new Uint8Array(AT_ONCE * MAX_NUMBER);

function writeColumn(column: Column, pieces: Buffer[]): void {
  if (column.length === 0) return void pieces.push(Buffer.from('[]'));
  for (let from = 0; from < column.length; from += AT_ONCE) {
    const until = Math.min(from + AT_ONCE, column.length);
    const end = column instanceof Float64Array ? writeFloats(column, from, until) : writeIntegers(column, from, until);
    // Before each number stands a comma, before the first one the bracket.
    if (from === 0) scratch[0] = OPEN;
    if (until === column.length) scratch[end] = CLOSE;
    pieces.push(Buffer.from(scratch.subarray(0, until === column.length ? end + 1 : end)));
  }
}

function writeIntegers(column: Int32Array, from: number, until: number): number {
  const out = scratch;
  let at = 0;
  for (let i = from; i < until; i++) {
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

function writeFloats(column: Float64Array, from: number, until: number): number {
  const out = scratch;
  let at = 0;
  for (let i = from; i < until; i++) {
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
