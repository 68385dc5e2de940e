import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import { CHUNK_BYTES, chunkCount, chunkLength, type FinishAnswer } from '@perfleet/uploads';
import type { UploadClient } from './upload-client.ts';

const compress = promisify(zstdCompress);

export interface SendOptions {
  readonly client: Pick<UploadClient, 'chunks' | 'chunk' | 'finish'>;
  readonly bytesPerSecond: number;
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
  /** What limits the rate is measured with; tests bring their own. */
  readonly clock?: UploadClock;
}

export interface UploadClock {
  /** Milliseconds, rising. */
  now(): number;
  /** Rejects when `signal` is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

const REAL_CLOCK: UploadClock = {
  now: () => performance.now(),
  wait: (ms, signal) => sleep(ms, undefined, { signal }),
};

/** Sends what of a file is not there yet, one chunk after another, no faster than allowed. */
export async function sendFile(
  upload: string,
  file: { readonly path: string; readonly size: number },
  { client, bytesPerSecond, onBytes, signal, clock = REAL_CLOCK }: SendOptions,
): Promise<FinishAnswer> {
  const there = new Set(await client.chunks(upload));
  const whole = createHash('sha256');
  const handle = await open(file.path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, file.size));
    for (let index = 0; index < chunkCount(file.size); index++) {
      signal.throwIfAborted();
      const plain = buffer.subarray(0, chunkLength(file.size, index));
      const { bytesRead } = await handle.read(plain, 0, plain.length, index * CHUNK_BYTES);
      if (bytesRead !== plain.length) throw new Error(`${file.path} was cut short`);
      whole.update(plain);
      if (there.has(index)) continue;
      const began = clock.now();
      const body = await compress(plain);
      await client.chunk(upload, index, body, createHash('sha256').update(plain).digest('hex'));
      onBytes(body.length);
      const due = (1000 * body.length) / bytesPerSecond - (clock.now() - began);
      if (due > 0) await clock.wait(due, signal);
    }
  } finally {
    await handle.close();
  }
  return client.finish(upload, whole.digest('hex'));
}
