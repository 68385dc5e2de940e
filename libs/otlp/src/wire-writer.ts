const encoder = new TextEncoder();
const scratch = new DataView(new ArrayBuffer(8));

/**
 * Protocol Buffers wire format into one growing buffer. Zero values are left out, as proto3 does.
 * Nested messages are written in place behind a length of one byte, which is widened when the message is longer.
 */
export class WireWriter {
  private buffer: Uint8Array;
  length = 0;

  constructor(capacity = 1024) {
    this.buffer = new Uint8Array(capacity);
  }

  /** A view that is valid until the next write. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  varint(value: number | bigint): this {
    this.reserve(10);
    if (typeof value === 'number' && value >= 0 && value < 0x8000_0000) {
      let rest = value;
      while (rest >= 0x80) {
        this.buffer[this.length++] = (rest & 0x7f) | 0x80;
        rest >>>= 7;
      }
      this.buffer[this.length++] = rest;
      return this;
    }
    scratch.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
    let low = scratch.getUint32(0, true);
    let high = scratch.getUint32(4, true);
    while (high !== 0 || low >= 0x80) {
      this.buffer[this.length++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.buffer[this.length++] = low;
    return this;
  }

  tag(field: number, wire: number): this {
    return this.varint((field << 3) | wire);
  }

  /** int32, int64, uint64, bool. */
  integer(field: number, value: number | bigint): this {
    return value === 0 || value === 0n ? this : this.tag(field, 0).varint(value);
  }

  fixed64(field: number, value: bigint): this {
    return value === 0n ? this : this.tag(field, 1).eight(value);
  }

  /** Always written: a double is only used where its presence says something. */
  double(field: number, value: number): this {
    scratch.setFloat64(0, value, true);
    return this.tag(field, 1).eight(scratch.getBigUint64(0, true));
  }

  /** Always written: an empty string is an entry of a table. Lone surrogates become U+FFFD. */
  text(field: number, value: string): this {
    if (value.length > 42) return this.data(field, encoder.encode(value));
    // At most 126 bytes: the length takes one byte, so the text can be written behind it at once.
    this.tag(field, 2).reserve(1 + value.length * 3);
    const { written } = encoder.encodeInto(value, this.buffer.subarray(this.length + 1));
    this.buffer[this.length] = written;
    this.length += 1 + written;
    return this;
  }

  data(field: number, value: Uint8Array): this {
    return this.tag(field, 2).varint(value.length).raw(value);
  }

  /**
   * Always written, also when empty: entry 0 of a table is an empty message.
   * @param write writes the fields, to this writer
   */
  message(field: number, write: (writer: this) => void): this {
    this.tag(field, 2).reserve(1);
    const start = ++this.length;
    write(this);
    this.closeLength(start);
    return this;
  }

  packed(field: number, values: readonly (number | bigint)[]): this {
    if (values.length === 0) return this;
    return this.message(field, () => {
      for (const value of values) this.varint(value);
    });
  }

  packedFixed64(field: number, values: readonly bigint[]): this {
    if (values.length === 0) return this;
    return this.message(field, () => {
      for (const value of values) this.eight(value);
    });
  }

  /** Bytes that are wire format already. */
  raw(bytes: Uint8Array): this {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  private eight(value: bigint): this {
    this.reserve(8);
    scratch.setBigUint64(0, BigInt.asUintN(64, value), true);
    for (let i = 0; i < 8; i++) this.buffer[this.length++] = scratch.getUint8(i);
    return this;
  }

  /** Puts the length of what was written since `start` into the byte before it, moving the message when it needs more. */
  private closeLength(start: number): void {
    const size = this.length - start;
    let width = 1;
    for (let rest = size; rest >= 0x80; rest >>>= 7) width++;
    if (width > 1) {
      this.reserve(width - 1);
      this.buffer.copyWithin(start + width - 1, start, this.length);
    }
    this.length = start - 1;
    this.varint(size);
    this.length += size;
  }

  private reserve(more: number): void {
    if (this.length + more <= this.buffer.length) return;
    const next = new Uint8Array(Math.max(this.buffer.length * 2, this.length + more));
    next.set(this.buffer.subarray(0, this.length));
    this.buffer = next;
  }
}
