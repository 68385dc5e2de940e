/**
 * One block in ClickHouse's RowBinary format (https://clickhouse.com/docs/interfaces/formats/RowBinary): values one after
 * another, row by row, little endian, no separators. The caller writes each row's columns in order and ends it with `row()`.
 */
export class RowBinaryBlock {
  private buffer: Buffer;
  private length = 0;
  /** Rows that were ended. */
  rows = 0;

  /** A block of rows that are RowBinary already; the bytes are not copied. */
  static of(bytes: Buffer, rows: number): RowBinaryBlock {
    const block = new RowBinaryBlock(0);
    block.buffer = bytes;
    block.length = bytes.length;
    block.rows = rows;
    return block;
  }

  constructor(initialBytes = 4096) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
  }

  u8(value: number): this {
    this.reserve(1);
    this.length = this.buffer.writeUInt8(value, this.length);
    return this;
  }

  u16(value: number): this {
    this.reserve(2);
    this.length = this.buffer.writeUInt16LE(value, this.length);
    return this;
  }

  u32(value: number): this {
    this.reserve(4);
    this.length = this.buffer.writeUInt32LE(value, this.length);
    return this;
  }

  u64(value: bigint): this {
    this.reserve(8);
    this.length = this.buffer.writeBigUInt64LE(value, this.length);
    return this;
  }

  i64(value: bigint): this {
    this.reserve(8);
    this.length = this.buffer.writeBigInt64LE(value, this.length);
    return this;
  }

  /** LEB128, as lengths are written. */
  varint(value: number): this {
    this.reserve(8);
    while (value >= 0x80) {
      this.buffer[this.length++] = (value & 0x7f) | 0x80;
      value = Math.floor(value / 128);
    }
    this.buffer[this.length++] = value;
    return this;
  }

  str(value: string): this {
    const bytes = Buffer.byteLength(value, 'utf8');
    this.varint(bytes).reserve(bytes);
    this.length += this.buffer.write(value, this.length, 'utf8');
    return this;
  }

  array<T>(values: ArrayLike<T>, write: (block: this, value: T) => void): this {
    this.varint(values.length);
    for (let i = 0; i < values.length; i++) write(this, values[i] as T);
    return this;
  }

  /** Map(K, V): its entries as an array of pairs. */
  map<V>(entries: ReadonlyArray<readonly [string, V]>, write: (block: this, value: V) => void): this {
    return this.array(entries, (block, [key, value]) => write(block.str(key), value));
  }

  /** @param seconds Unix seconds */
  dateTime(seconds: number): this {
    return this.u32(seconds);
  }

  /** DateTime64(3). @param milliseconds Unix milliseconds */
  dateTime64(milliseconds: number): this {
    return this.i64(BigInt(Math.trunc(milliseconds)));
  }

  row(): this {
    this.rows++;
    return this;
  }

  /** A view that is valid until the next write. */
  bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  private reserve(more: number): void {
    if (this.length + more <= this.buffer.length) return;
    const next = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + more));
    this.buffer.copy(next, 0, 0, this.length);
    this.buffer = next;
  }
}
