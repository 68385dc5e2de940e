const encoder = new TextEncoder();

/** Growing little-endian byte buffer, reused between hashes so that none allocates. */
export class ByteWriter {
  private buffer = new Uint8Array(256);
  private view = new DataView(this.buffer.buffer);
  private length = 0;

  reset(): this {
    this.length = 0;
    return this;
  }

  u8(value: number): this {
    this.reserve(1);
    this.buffer[this.length++] = value;
    return this;
  }

  u32(value: number): this {
    this.reserve(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
    return this;
  }

  u64(value: bigint): this {
    this.reserve(8);
    this.view.setBigUint64(this.length, value, true);
    this.length += 8;
    return this;
  }

  /** Byte length as u32, then UTF-8. Lone surrogates become U+FFFD, as the encoder does. */
  str(value: string): this {
    this.reserve(4 + value.length * 3);
    const { written } = encoder.encodeInto(value, this.buffer.subarray(this.length + 4));
    this.view.setUint32(this.length, written, true);
    this.length += 4 + written;
    return this;
  }

  /** A view that is valid until the next write. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  private reserve(more: number): void {
    if (this.length + more <= this.buffer.length) return;
    const next = new Uint8Array(Math.max(this.buffer.length * 2, this.length + more));
    next.set(this.buffer);
    this.buffer = next;
    this.view = new DataView(next.buffer);
  }
}
