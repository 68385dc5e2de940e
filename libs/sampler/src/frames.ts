import { SamplerProtocolError } from './errors.ts';

export const FRAME_TYPES = { hello: 1, window: 2, stats: 3, log: 4 } as const;

/** Longest frame that the protocol allows, in bytes (what follows the length field). */
export const MAX_FRAME_BYTES = 64 << 20;

export interface Frame {
  readonly type: number;
  /** A copy of its own, so that its start is aligned for typed arrays and it outlives the pipe's buffer. */
  readonly payload: Uint8Array<ArrayBuffer>;
}

/**
 * Cuts a byte stream into `u32 length | u8 type | payload` frames. Bytes may arrive in any pieces; what is held back
 * is at most one frame.
 */
export class FrameReader {
  private readonly header = new Uint8Array(5);
  private headerBytes = 0;
  private payload: Uint8Array<ArrayBuffer> | null = null;
  private payloadBytes = 0;

  /**
   * @returns the frames that `chunk` completes, in order
   * @throws SamplerProtocolError when a frame is empty or longer than MAX_FRAME_BYTES; the reader is useless then
   */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < chunk.length || this.isComplete()) {
      if (this.payload === null) {
        const take = Math.min(5 - this.headerBytes, chunk.length - at);
        this.header.set(chunk.subarray(at, at + take), this.headerBytes);
        this.headerBytes += take;
        at += take;
        if (this.headerBytes < 5) break;
        this.begin();
      }
      const payload = this.payload!;
      const take = Math.min(payload.length - this.payloadBytes, chunk.length - at);
      payload.set(chunk.subarray(at, at + take), this.payloadBytes);
      this.payloadBytes += take;
      at += take;
      if (this.payloadBytes < payload.length) break;
      frames.push({ type: this.header[4]!, payload });
      this.payload = null;
      this.headerBytes = 0;
    }
    return frames;
  }

  /** Whether the stream ended inside a frame. */
  get torn(): boolean {
    return this.headerBytes > 0;
  }

  private isComplete(): boolean {
    return this.payload !== null && this.payload.length === this.payloadBytes;
  }

  private begin(): void {
    const length = new DataView(this.header.buffer).getUint32(0, true);
    if (length < 1 || length > MAX_FRAME_BYTES) {
      throw new SamplerProtocolError(`frame of ${length} bytes: the protocol allows 1 to ${MAX_FRAME_BYTES}`);
    }
    this.payload = new Uint8Array(length - 1);
    this.payloadBytes = 0;
  }
}
