import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, open, readdir, readFile, rename, rm, rmdir, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { hashFile } from './hash-file.ts';
import { checkKey, storeError, type ObjectSource, type ObjectStore, type StoredObject } from './object-store.ts';

const noteSchema = z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.number().int().min(0) });
type Note = z.infer<typeof noteSchema>;

/** Ending of the file beside each object that holds its checksum; its time of change is that of the object's last use. */
const NOTE = '.note';
/** Files that were checked already and did not change since. */
const MAX_CHECKED = 100_000;

export interface DirectoryOptions {
  readonly path: string;
  /** Something found an object that is not what was put. */
  readonly onCorrupt?: (key: string) => void;
}

/** Objects as files of a directory, which several processes may share. The object itself is the file at `PATH/KEY`. */
export function openDirectoryStore(options: DirectoryOptions): ObjectStore {
  return new DirectoryStore(options);
}

class DirectoryStore implements ObjectStore {
  readonly place: string;
  /** Key -> what its file looked like when its checksum was right. */
  private readonly checked = new Map<string, string>();

  constructor(private readonly options: DirectoryOptions) {
    this.place = options.path;
  }

  put(key: string, source: ObjectSource): Promise<void> {
    return this.guard(async () => {
      const target = this.pathOf(key);
      const temporary = join(this.place, `.incoming-${randomBytes(8).toString('hex')}`);
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      try {
        const note = await writeDurably(temporary, source);
        await writeDurably(`${temporary}${NOTE}`, { bytes: Buffer.from(JSON.stringify(note)) });
        // The note first: a file without one does not count, a note without a file neither.
        await rename(`${temporary}${NOTE}`, target + NOTE);
        await rename(temporary, target);
        await syncDirectory(dirname(target));
      } finally {
        await rm(temporary, { force: true });
        await rm(`${temporary}${NOTE}`, { force: true });
      }
    });
  }

  has(key: string): Promise<boolean> {
    return this.guard(async () => (await this.noteOf(this.pathOf(key))) !== null && (await exists(this.pathOf(key))));
  }

  file(key: string): Promise<string | null> {
    return this.guard(async () => {
      const path = this.pathOf(key);
      const look = await lookOf(path);
      const note = look === null ? null : await this.noteOf(path);
      if (note === null) return null;
      if (this.checked.get(key) === look) return path;
      if ((await stat(path)).size !== note.size || (await hashFile(path)) !== note.sha256) return this.corrupt(key);
      if (this.checked.size >= MAX_CHECKED) this.checked.clear();
      this.checked.set(key, look!);
      return path;
    });
  }

  bytes(key: string): Promise<Buffer | null> {
    return this.guard(async () => {
      const note = await this.noteOf(this.pathOf(key));
      const body = note && (await unlessAbsent(readFile(this.pathOf(key))));
      if (!note || !body) return null;
      return createHash('sha256').update(body).digest('hex') === note.sha256 ? body : this.corrupt(key);
    });
  }

  list(prefix: string): Promise<StoredObject[]> {
    return this.guard(async () => {
      const found: StoredObject[] = [];
      const below = join(this.place, prefix.slice(0, prefix.lastIndexOf('/') + 1));
      for (const entry of (await unlessAbsent(readdir(below, { recursive: true, withFileTypes: true }))) ?? []) {
        if (!entry.isFile() || entry.name.endsWith(NOTE) || entry.name.startsWith('.')) continue;
        const path = join(entry.parentPath, entry.name);
        const key = path.slice(this.place.length).replace(/^\/+/, '');
        if (!key.startsWith(prefix)) continue;
        const [file, note] = await Promise.all([unlessAbsent(stat(path)), unlessAbsent(stat(path + NOTE))]);
        if (file && note) found.push({ key, size: file.size, usedAt: note.mtimeMs });
      }
      return found;
    });
  }

  touch(key: string): Promise<void> {
    return this.guard(async () => {
      const now = new Date();
      await unlessAbsent(utimes(this.pathOf(key) + NOTE, now, now));
    });
  }

  remove(key: string): Promise<void> {
    return this.guard(async () => {
      const path = this.pathOf(key);
      this.checked.delete(key);
      await rm(path, { force: true });
      await rm(path + NOTE, { force: true });
      // Only an empty one goes.
      await rmdir(dirname(path)).catch(() => undefined);
    });
  }

  close(): void {
    this.checked.clear();
  }

  private async corrupt(key: string): Promise<null> {
    this.options.onCorrupt?.(key);
    await this.remove(key);
    return null;
  }

  private pathOf(key: string): string {
    return join(this.place, checkKey(key));
  }

  private async noteOf(path: string): Promise<Note | null> {
    const text = await unlessAbsent(readFile(path + NOTE, 'utf8'));
    if (text === null) return null;
    try {
      return noteSchema.parse(JSON.parse(text));
    } catch {
      return null;
    }
  }

  private async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storeError(this.place, error);
    }
  }
}

/** A new file whose bytes are on the disk. @returns what to check it by */
async function writeDurably(path: string, source: ObjectSource): Promise<Note> {
  if ('path' in source) await copyFile(source.path, path, constants.COPYFILE_EXCL);
  const handle = await open(path, 'path' in source ? 'r+' : 'wx', 0o600);
  try {
    if ('bytes' in source) await handle.writeFile(source.bytes);
    await handle.sync();
    const { size } = await handle.stat();
    const sha256 = 'bytes' in source ? createHash('sha256').update(source.bytes).digest('hex') : await hashFile(path);
    return { sha256, size };
  } finally {
    await handle.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function unlessAbsent<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return (await unlessAbsent(stat(path)))?.isFile() ?? false;
}

async function lookOf(path: string): Promise<string | null> {
  const found = await unlessAbsent(stat(path, { bigint: true }));
  return found?.isFile() ? `${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}` : null;
}
