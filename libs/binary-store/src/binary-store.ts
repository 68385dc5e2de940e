import { BinaryStoreError, type ObjectStore } from './object-store.ts';

export interface BinaryStoreOptions {
  readonly objects: ObjectStore;
  /** Bytes of all binaries; the ones used longest ago go first. */
  readonly quotaBytes: number;
  /** A binary that nobody used for so long goes. */
  readonly retentionMs: number;
  /** Parts of uploads that were never finished go after this (one day). */
  readonly partsMs?: number;
  readonly now?: () => number;
}

export interface Swept {
  /** Binaries that are left, and their bytes. */
  readonly binaries: number;
  readonly bytes: number;
  /** Binaries that went. */
  readonly evicted: number;
}

/** Binaries under `gnu-ID/CONTENT`, and the parts of those that are on their way, under `parts/UPLOAD/N`. */
export interface BinaryStore {
  readonly quotaBytes: number;
  has(gnu: string, content: string): Promise<boolean>;
  /** A file of this machine, its checksum right; null when it is not there (any more). Counts as use. */
  file(gnu: string, content: string): Promise<string | null>;
  /** What is there stays: the same build id and content never gets another file. @returns false when it was there */
  put(gnu: string, content: string, path: string): Promise<boolean>;
  putPart(upload: string, index: number, body: Uint8Array): Promise<void>;
  /** Indices, ascending. */
  parts(upload: string): Promise<number[]>;
  part(upload: string, index: number): Promise<Buffer | null>;
  dropParts(upload: string): Promise<void>;
  /** Keeps quota and retention. */
  sweep(): Promise<Swept>;
  close(): void;
}

const PARTS_MS = 86_400_000;
const ID = /^[0-9a-f]{6,128}$/;

export function createBinaryStore(options: BinaryStoreOptions): BinaryStore {
  const { objects, quotaBytes, retentionMs, partsMs = PARTS_MS, now = Date.now } = options;
  const keyOf = (gnu: string, content: string) => {
    if (!ID.test(gnu) || !ID.test(content)) throw new BinaryStoreError(`${gnu}/${content}: not the id of a binary`);
    return `gnu-${gnu}/${content}`;
  };
  const partKey = (upload: string, index: number) => `parts/${upload}/${String(index).padStart(6, '0')}`;

  const sweep = async (keep: string): Promise<Swept> => {
    const time = now();
    for (const { key, usedAt } of await objects.list('parts/')) if (usedAt < time - partsMs) await objects.remove(key);
    const binaries = (await objects.list('gnu-')).sort((a, b) => b.usedAt - a.usedAt);
    let [kept, bytes, evicted] = [0, binaries.find(({ key }) => key === keep)?.size ?? 0, 0];
    for (const { key, size, usedAt } of binaries) {
      const stays = key === keep || (usedAt >= time - retentionMs && bytes + size <= quotaBytes);
      if (!stays) {
        await objects.remove(key);
        evicted++;
        continue;
      }
      kept++;
      if (key !== keep) bytes += size;
    }
    return { binaries: kept, bytes, evicted };
  };

  return {
    quotaBytes,
    has: async (gnu, content) => objects.has(keyOf(gnu, content)),
    async file(gnu, content) {
      const key = keyOf(gnu, content);
      const path = await objects.file(key);
      if (path !== null) await objects.touch(key);
      return path;
    },
    async put(gnu, content, path) {
      const key = keyOf(gnu, content);
      if (await objects.has(key)) return false;
      await objects.put(key, { path });
      await sweep(key);
      return true;
    },
    putPart: (upload, index, body) => objects.put(partKey(upload, index), { bytes: body }),
    async parts(upload) {
      const found = await objects.list(`parts/${upload}/`);
      return found.map(({ key }) => Number(key.split('/').at(-1))).sort((a, b) => a - b);
    },
    part: (upload, index) => objects.bytes(partKey(upload, index)),
    async dropParts(upload) {
      for (const { key } of await objects.list(`parts/${upload}/`)) await objects.remove(key);
    },
    sweep: () => sweep(''),
    close: () => objects.close(),
  };
}
