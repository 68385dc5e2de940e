import { describe, expect, it } from 'vitest';
import { encodeFrame } from './encode-window.ts';
import { SamplerProtocolError } from './errors.ts';
import { FrameReader, MAX_FRAME_BYTES } from './frames.ts';

const stream = Buffer.concat([
  encodeFrame(1, Buffer.from('hello')),
  encodeFrame(3, new Uint8Array()),
  encodeFrame(2, Buffer.alloc(300, 7)),
]);

describe('FrameReader', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 64, 1000])('gives the same frames in pieces of %i bytes', (size) => {
    const reader = new FrameReader();
    const frames = [];
    for (let at = 0; at < stream.length; at += size) frames.push(...reader.push(stream.subarray(at, at + size)));
    expect(frames.map((f) => [f.type, f.payload.length])).toEqual([
      [1, 5],
      [3, 0],
      [2, 300],
    ]);
    expect(Buffer.from(frames[0]!.payload).toString()).toBe('hello');
    expect(frames[2]!.payload.every((b) => b === 7)).toBe(true);
    expect(reader.torn).toBe(false);
  });

  it('knows that the stream ended inside a frame', () => {
    const reader = new FrameReader();
    expect(reader.push(stream.subarray(0, stream.length - 1))).toHaveLength(2);
    expect(reader.torn).toBe(true);
  });

  it.each([0, MAX_FRAME_BYTES + 1, 0xffffffff])('refuses a frame of %i bytes', (length) => {
    const header = Buffer.alloc(5);
    header.writeUInt32LE(length);
    expect(() => new FrameReader().push(header)).toThrow(SamplerProtocolError);
  });
});
