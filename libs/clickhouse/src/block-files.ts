import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';

const MIN_SHM_BYTES = 256 << 20;

/**
 * A directory for the files by which blocks are handed to the engine: in memory where there is enough of it, else beside the data.
 *
 * Its name follows the data directory, which one process has at a time, so whoever opens that finds what a process left that was
 * killed in it, and removes it: a service that is killed again and again must not fill the node's memory. Where the name is taken by
 * somebody else (`/dev/shm` is everybody's) it is one of its own.
 * @param data of the store, which this process has opened
 * @returns an empty directory that nobody else can read
 */
export function makeBlockDirectory(data: string, shm = '/dev/shm'): string {
  const parent = memoryDirectory(shm) ?? makeDirectory(join(data, 'tmp'));
  const own = join(parent, `perfleet-blocks-${createHash('sha256').update(data).digest('hex').slice(0, 16)}`);
  try {
    // A link goes itself, and not what it points to.
    rmSync(own, { recursive: true, force: true });
    mkdirSync(own, { mode: 0o700 });
    return own;
  } catch {
    return mkdtempSync(`${own}-`);
  }
}

/** Null where there is none, or too little is free. */
function memoryDirectory(shm: string): string | null {
  try {
    const { bavail, bsize } = statfsSync(shm);
    if (bavail * bsize < MIN_SHM_BYTES) return null;
    accessSync(shm, constants.W_OK);
    return shm;
  } catch {
    return null;
  }
}

/** Step by step: Node's recursive form never returns where the file system answers ENOENT, as /proc does. @returns it */
export function makeDirectory(directory: string): string {
  if (existsSync(directory)) return directory;
  makeDirectory(dirname(directory));
  mkdirSync(directory, { mode: 0o700 });
  return directory;
}
