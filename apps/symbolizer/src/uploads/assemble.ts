import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { BinaryStore } from '@perfleet/binary-store';
import { identify, type BinaryIdentity } from '@perfleet/symbols';
import { chunkCount, chunkLength, type UploadLease } from '@perfleet/uploads';
import { unpackChunk } from './chunk.ts';
import { UploadError } from './upload-error.ts';

/**
 * Writes the file of an upload to `path` and makes sure that it is what was asked for: its length, its hash, and the build id that
 * it carries itself.
 * @throws UploadError
 */
export async function assemble(
  lease: UploadLease,
  sha256: string,
  parts: Pick<BinaryStore, 'parts' | 'part'>,
  path: string,
): Promise<void> {
  const count = chunkCount(lease.size);
  const there = new Set(await parts.parts(lease.id));
  const missing = Array.from({ length: count }, (_, index) => index).filter((index) => !there.has(index));
  if (missing.length > 0)
    throw new UploadError(409, `${missing.length} of ${count} chunks are missing, the first is ${missing[0]}`);
  const hash = createHash('sha256');
  const file = await open(path, 'wx', 0o600);
  try {
    for (let index = 0; index < count; index++) {
      const body = await parts.part(lease.id, index);
      if (body === null) throw new UploadError(409, `chunk ${index} was lost: send it again`);
      const plain = await unpackChunk(body, chunkLength(lease.size, index));
      hash.update(plain);
      await file.writeFile(plain);
    }
  } finally {
    await file.close();
  }
  const found = hash.digest('hex');
  if (found !== sha256) throw new UploadError(422, `its SHA-256 is ${found}, not ${sha256}`, 'hash');
  await checkIdentity(lease, path);
}

/** The parser runs in a process of its own, with limits. */
async function checkIdentity({ gnu, content }: UploadLease, path: string): Promise<void> {
  let identity: BinaryIdentity;
  try {
    identity = await identify(path, true);
  } catch (error) {
    const message = (error as Error).message.replace(`${path}: `, '');
    throw new UploadError(422, `it is no usable ELF file: ${message}`.slice(0, 300), 'unusable');
  }
  if (identity.gnuBuildId !== gnu)
    throw new UploadError(422, `its own build id is ${identity.gnuBuildId || 'missing'}, not ${gnu}`, 'build-id');
  // A file without its code says nothing of it: the collector of the node does.
  if (identity.content !== '' && identity.content !== content)
    throw new UploadError(422, `its code is ${identity.content}, not ${content}`, 'content');
}
