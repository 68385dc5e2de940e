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
}

/** Sends what of a file is not there yet, one chunk after another, no faster than allowed. */
export async function sendFile(
  upload: string,
  file: { readonly path: string; readonly size: number },
  { client, bytesPerSecond, onBytes, signal }: SendOptions,
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
      const began = performance.now();
      const body = await compress(plain);
      await client.chunk(upload, index, body, createHash('sha256').update(plain).digest('hex'));
      onBytes(body.length);
      const due = (1000 * body.length) / bytesPerSecond - (performance.now() - began);
      if (due > 0) await sleep(due, undefined, { signal });
    }
  } finally {
    await handle.close();
  }
  return client.finish(upload, whole.digest('hex'));
}
