const encoder = new TextEncoder();

/** Protocol Buffers wire format into one growing buffer. Zero values are left out, as proto3 does. */
export class WireWriter {
  private buffer: Uint8Array;
  private view: DataView;
  length = 0;

  constructor(capacity = 1024) {
    this.buffer = new Uint8Array(capacity);
    this.view = new DataView(this.buffer.buffer);
  }

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
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest >= 0x80n) {
      this.buffer[this.length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.buffer[this.length++] = Number(rest);
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
    if (value === 0n) return this;
    this.tag(field, 1).reserve(8);
    this.view.setBigUint64(this.length, value, true);
    this.length += 8;
    return this;
  }

  double(field: number, value: number): this {
    this.tag(field, 1).reserve(8);
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
    return this;
  }

  /** Always written: an empty string is an entry of a table. */
  text(field: number, value: string): this {
    return this.data(field, encoder.encode(value));
  }

  data(field: number, value: Uint8Array): this {
    this.tag(field, 2).varint(value.length).reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
    return this;
  }

  /** Always written, also when empty: entry 0 of a table is an empty message. */
  message(field: number, write: (nested: WireWriter) => void): this {
    const nested = new WireWriter(128);
    write(nested);
    return this.data(field, nested.bytes());
  }

  packed(field: number, values: Iterable<number | bigint>): this {
    const nested = new WireWriter(64);
    for (const value of values) nested.varint(value);
    return nested.length === 0 ? this : this.data(field, nested.bytes());
  }

  packedFixed64(field: number, values: readonly bigint[]): this {
    if (values.length === 0) return this;
    const data = new DataView(new ArrayBuffer(values.length * 8));
    values.forEach((value, i) => data.setBigUint64(i * 8, value, true));
    return this.data(field, new Uint8Array(data.buffer));
  }

  /** Bytes that are wire format already. */
  raw(bytes: Uint8Array): this {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  private reserve(more: number): void {
    if (this.length + more <= this.buffer.length) return;
    const next = new Uint8Array(Math.max(this.buffer.length * 2, this.length + more));
    next.set(this.buffer.subarray(0, this.length));
    this.buffer = next;
    this.view = new DataView(next.buffer);
  }
}
