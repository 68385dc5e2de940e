import { WireError } from './errors.ts';

// A byte order mark is text like any other: without `ignoreBOM` it would be dropped.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Protocol Buffers wire format (https://protobuf.dev/programming-guides/encoding/) over one message's bytes.
 * Nested messages are read in place: `enter` narrows the end, `leave` restores it. Everything malformed throws WireError.
 * Groups (wire types 3 and 4) are refused: proto3 has none.
 * Invalid UTF-8 becomes U+FFFD, so that one odd name does not cost a whole message.
 */
export class WireReader {
  offset: number;
  end: number;
  /** Field number and wire type of the last tag. */
  field = 0;
  wire = 0;
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    start = 0,
    end = bytes.length,
  ) {
    this.offset = start;
    this.end = end;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Reads the next tag; false at the end of the message. */
  next(): boolean {
    if (this.offset >= this.end) return false;
    const tag = this.varint32();
    this.field = tag >>> 3;
    this.wire = tag & 7;
    if (this.field === 0) this.fail('field number 0');
    return true;
  }

  expect(wire: number): void {
    if (this.wire !== wire) this.fail(`field ${this.field}: wire type ${this.wire} instead of ${wire}`);
  }

  /** Low 32 bits of a varint; higher bits (a sign extension) are read and dropped. */
  varint32(): number {
    let result = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.offset >= this.end) this.fail('varint cut off');
      const byte = this.bytes[this.offset++]!;
      if (shift < 32) result |= (byte & 0x7f) << shift;
      if (byte < 0x80) return result >>> 0;
    }
    return this.fail('varint longer than ten bytes');
  }

  varint64(): bigint {
    let low = 0;
    let middle = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      if (this.offset >= this.end) this.fail('varint cut off');
      const byte = this.bytes[this.offset++]!;
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i < 8) middle |= bits << (7 * (i - 4));
      else high |= bits << (7 * (i - 8));
      if (byte < 0x80)
        return BigInt.asUintN(64, BigInt(low >>> 0) | (BigInt(middle >>> 0) << 28n) | (BigInt(high >>> 0) << 56n));
    }
    return this.fail('varint longer than ten bytes');
  }

  /** A signed 64-bit integer as a number; exact up to 2^53. */
  int64(): number {
    const start = this.offset;
    // Most values fit into four bytes: no BigInt for those.
    const byte3 = this.bytes[start + 3];
    if (
      start + 4 <= this.end &&
      (this.bytes[start]! < 0x80 || this.bytes[start + 1]! < 0x80 || this.bytes[start + 2]! < 0x80 || byte3! < 0x80)
    )
      return this.varint32();
    return Number(BigInt.asIntN(64, this.varint64()));
  }

  fixed64(): bigint {
    if (this.offset + 8 > this.end) this.fail('fixed64 cut off');
    const value = this.view.getBigUint64(this.offset, true);
    this.offset += 8;
    return value;
  }

  double(): number {
    if (this.offset + 8 > this.end) this.fail('double cut off');
    const value = this.view.getFloat64(this.offset, true);
    this.offset += 8;
    return value;
  }

  /** Length of a length-delimited field, checked against the end. */
  length(): number {
    this.expect(2);
    const length = this.varint32();
    if (length > this.end - this.offset) this.fail(`field ${this.field}: length ${length} goes past the end`);
    return length;
  }

  data(): Uint8Array {
    const length = this.length();
    this.offset += length;
    return this.bytes.subarray(this.offset - length, this.offset);
  }

  text(maxBytes: number): string {
    const data = this.data();
    if (data.length > maxBytes) this.fail(`string of ${data.length} bytes is over ${maxBytes}`);
    return utf8.decode(data);
  }

  /** Enters a nested message and answers the end to restore with `leave`. */
  enter(): number {
    const length = this.length();
    const outer = this.end;
    this.end = this.offset + length;
    return outer;
  }

  leave(outer: number): void {
    this.offset = this.end;
    this.end = outer;
  }

  /** A reader of the nested message alone, for a second pass. */
  nested(): { start: number; end: number } {
    const length = this.length();
    const start = this.offset;
    this.offset += length;
    return { start, end: this.offset };
  }

  /** Calls `read` for each element of a repeated scalar, packed or not. */
  repeated(scalarWire: number, read: () => void): void {
    if (this.wire === scalarWire) return read();
    const outer = this.enter();
    while (this.offset < this.end) read();
    this.leave(outer);
  }

  skip(): void {
    if (this.wire === 0) this.varint64();
    else if (this.wire === 1) this.advance(8);
    else if (this.wire === 2) this.advance(this.length());
    else if (this.wire === 5) this.advance(4);
    else this.fail(`field ${this.field}: wire type ${this.wire}`);
  }

  fail(message: string): never {
    throw new WireError(message, this.offset);
  }

  private advance(bytes: number): void {
    if (bytes > this.end - this.offset) this.fail('field cut off');
    this.offset += bytes;
  }
}
