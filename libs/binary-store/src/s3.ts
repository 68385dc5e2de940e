import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { openDirectoryStore } from './directory.ts';
import { hashFile } from './hash-file.ts';
import { checkKey, storeError, type ObjectSource, type ObjectStore, type StoredObject } from './object-store.ts';

export interface S3Options {
  readonly bucket: string;
  /** Before every key, `a/b/`; "" = none. */
  readonly prefix?: string;
  /** Of another server than Amazon's. */
  readonly endpoint?: string;
  readonly region?: string;
  /** By default those of the environment, of its files or of the machine, as every AWS client finds them. */
  readonly credentials?: S3ClientConfig['credentials'];
  /** Where files that are read are kept. */
  readonly cacheDir: string;
  /** Bytes of all of them (8 GiB). */
  readonly cacheBytes?: number;
  readonly onCorrupt?: (key: string) => void;
}

/** How often the use of an object is written down: it costs a request. */
const TOUCH_MS = 86_400_000;
const MAX_TOUCHED = 100_000;
/** Before the key of an empty object whose time says when the object of that key was last used: S3 keeps no such time. */
const USED = 'used/';

/** Objects in a bucket, by any server that speaks S3; files are read through a bounded directory of this machine. */
export function openS3Store(options: S3Options): ObjectStore {
  const {
    bucket,
    prefix = '',
    endpoint,
    region = 'us-east-1',
    credentials,
    cacheDir,
    cacheBytes = 8 * 2 ** 30,
  } = options;
  const place = `s3://${bucket}/${prefix}`;
  const client = new S3Client({
    region,
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    ...(credentials ? { credentials } : {}),
    // Servers other than Amazon's refuse checksums that nobody asked for; ours are in the metadata.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const cache = openDirectoryStore({ path: cacheDir });
  const touched = new Map<string, number>();
  const at = (key: string) => ({ Bucket: bucket, Key: prefix + checkKey(key) });
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw storeError(place, error);
    }
  };
  const remove = (key: string) =>
    guard(async () => {
      await client.send(new DeleteObjectCommand(at(key)));
      await client.send(new DeleteObjectCommand(at(USED + key)));
      touched.delete(key);
      await cache.remove(key);
    });
  const corrupt = async (key: string): Promise<null> => {
    options.onCorrupt?.(key);
    await remove(key);
    return null;
  };
  const get = (key: string) => unlessAbsent(client.send(new GetObjectCommand(at(key))));

  const listAll = async (wanted: string): Promise<StoredObject[]> => {
    const found: StoredObject[] = [];
    let token: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix + wanted, ContinuationToken: token }),
      );
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? [])
        found.push({ key: Key.slice(prefix.length), size: Size, usedAt: LastModified?.getTime() ?? 0 });
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
    return found;
  };

  /** Into the cache; the checksum is that of the object's metadata. */
  const fetchFile = async (key: string): Promise<string | null> => {
    const answer = await get(key);
    if (!answer?.Body) return null;
    await mkdir(cacheDir, { recursive: true, mode: 0o700 });
    const temporary = join(cacheDir, `.fetching-${randomBytes(8).toString('hex')}`);
    try {
      await pipeline(answer.Body as Readable, createWriteStream(temporary, { mode: 0o600, flags: 'wx' }));
      if ((await hashFile(temporary)) !== answer.Metadata?.['sha256']) return corrupt(key);
      await makeRoom((await stat(temporary)).size);
      await cache.put(key, { path: temporary });
      return cache.file(key);
    } finally {
      await rm(temporary, { force: true });
    }
  };

  const makeRoom = async (bytes: number): Promise<void> => {
    const kept = (await cache.list('')).sort((a, b) => a.usedAt - b.usedAt);
    let total = kept.reduce((sum, { size }) => sum + size, bytes);
    for (const { key, size } of kept) {
      if (total <= cacheBytes) return;
      await cache.remove(key);
      total -= size;
    }
  };

  return {
    place,
    put: (key, source) =>
      guard(async () => {
        const sha256 = 'bytes' in source ? sha256Of(source.bytes) : await hashFile(source.path);
        const size = 'bytes' in source ? source.bytes.length : (await stat(source.path)).size;
        await client.send(
          new PutObjectCommand({
            ...at(key),
            Body: bodyOf(source),
            ContentLength: size,
            // Who knows it checks it before the object exists.
            ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
            Metadata: { sha256 },
          }),
        );
        await cache.remove(key);
      }),
    has: (key) => guard(async () => (await unlessAbsent(client.send(new HeadObjectCommand(at(key))))) !== null),
    file: (key) =>
      guard(async () => {
        const kept = await cache.file(key);
        if (kept !== null) await cache.touch(key);
        return kept ?? (await fetchFile(key));
      }),
    bytes: (key) =>
      guard(async () => {
        const answer = await get(key);
        if (!answer?.Body) return null;
        const body = Buffer.from(await answer.Body.transformToByteArray());
        return sha256Of(body) === answer.Metadata?.['sha256'] ? body : corrupt(key);
      }),
    list: (wanted) =>
      guard(async () => {
        const [found, marks] = await Promise.all([listAll(wanted), listAll(USED + wanted)]);
        const used = new Map(marks.map(({ key, usedAt }) => [key.slice(USED.length), usedAt]));
        return found.map((object) => ({ ...object, usedAt: Math.max(object.usedAt, used.get(object.key) ?? 0) }));
      }),
    touch: (key) =>
      guard(async () => {
        if ((touched.get(key) ?? -Infinity) > Date.now() - TOUCH_MS) return;
        if (touched.size >= MAX_TOUCHED) touched.clear();
        touched.set(key, Date.now());
        await client.send(new PutObjectCommand({ ...at(USED + key), Body: new Uint8Array() }));
      }),
    remove,
    close: () => {
      client.destroy();
      cache.close();
    },
  };
}

function bodyOf(source: ObjectSource): Uint8Array | Readable {
  return 'bytes' in source ? source.bytes : createReadStream(source.path);
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function unlessAbsent<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && ['NoSuchKey', 'NotFound'].includes(error.name)) return null;
    throw error;
  }
}
