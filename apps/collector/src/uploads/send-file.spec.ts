import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { tempDir } from '@perfleet/testing';
import { CHUNK_BYTES } from '@perfleet/uploads';
import { afterAll, describe, expect, it } from 'vitest';
import { sendFile } from './send-file.ts';

const dir = tempDir('perfleet-send-');
afterAll(() => dir.remove());

const BYTES_PER_SECOND = 1_000_000;
/** Not compressible: what is sent is about as long. */
const content = randomBytes(2 * CHUNK_BYTES + 1000);
const file = { path: join(dir.path, 'binary'), size: content.length };
writeFileSync(file.path, content);

interface Sent {
  readonly index: number;
  readonly body: Uint8Array;
  /** When the chunk was handed over, and when it had been sent. */
  readonly began: number;
  readonly ended: number;
}

/** A time that goes on only where the sender waits or a chunk is on its way. */
function setUp({ msOfChunk = 0, there = [] as number[], stopAt = Infinity } = {}) {
  let ms = 0;
  const sent: Sent[] = [];
  const waits: number[] = [];
  const stopping = new AbortController();
  const client = {
    chunks: async () => there,
    chunk: async (_upload: string, index: number, body: Uint8Array) => {
      const began = ms;
      ms += msOfChunk;
      sent.push({ index, body, began, ended: ms });
    },
    finish: async () => ({ first: true }),
  };
  const clock = {
    now: () => ms,
    wait: async (due: number, signal: AbortSignal) => {
      waits.push(due);
      ms += due;
      if (ms >= stopAt) stopping.abort();
      signal.throwIfAborted();
    },
  };
  let bytes = 0;
  const send = () =>
    sendFile('u1', file, {
      ...{ client, clock, bytesPerSecond: BYTES_PER_SECOND, signal: stopping.signal },
      onBytes: (more) => (bytes += more),
    });
  return { send, sent, waits, elapsed: () => ms, bytes: () => bytes };
}

const dueMs = (bytes: number) => (1000 * bytes) / BYTES_PER_SECOND;

describe('sending a file', () => {
  it.each([0, 1000])('is no faster than allowed where a chunk takes %i ms', async (msOfChunk) => {
    const { send, sent, elapsed, bytes } = setUp({ msOfChunk });
    await send();
    expect(sent.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(bytes()).toBeGreaterThanOrEqual(content.length);
    const lengths = sent.map(({ body }) => body.length);
    // No chunk begins before those before it have had their time.
    sent.forEach(({ began }, i) => {
      const before = lengths.slice(0, i).reduce((sum, length) => sum + length, 0);
      expect(began).toBeGreaterThanOrEqual(dueMs(before) - 1e-6);
    });
    // The last, small one takes what it takes where that is longer.
    expect(elapsed()).toBeCloseTo(dueMs(lengths[0]! + lengths[1]!) + Math.max(msOfChunk, dueMs(lengths[2]!)), 3);
  });

  it('does not wait where the way is slower than allowed', async () => {
    const { send, waits } = setUp({ msOfChunk: 60_000 });
    await send();
    expect(waits).toEqual([]);
  });

  it('sends only what is not there, each whole', async () => {
    const { send, sent } = setUp({ there: [0] });
    await send();
    expect(sent.map(({ index }) => index)).toEqual([1, 2]);
    const plain = Buffer.concat(sent.map(({ body }) => zstdDecompressSync(body)));
    expect(createHash('sha256').update(plain).digest('hex')).toBe(
      createHash('sha256').update(content.subarray(CHUNK_BYTES)).digest('hex'),
    );
  });

  it('ends at once when the collector stops while it waits', async () => {
    const { send, sent } = setUp({ stopAt: 1 });
    await expect(send()).rejects.toMatchObject({ name: 'AbortError' });
    expect(sent).toHaveLength(1);
  });
});
