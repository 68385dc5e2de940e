import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface Quota {
  /** Files of other names do not count. */
  readonly suffix: string;
  readonly bytes: number;
  /** A path that stays. */
  readonly keep?: string;
}

/** Removes the files of a directory that were used longest ago, by their modification time, until the rest fits. */
export async function pruneFiles(dir: string, { suffix, bytes, keep }: Quota): Promise<void> {
  const names = (await readdir(dir)).filter((name) => name.endsWith(suffix)).map((name) => join(dir, name));
  // Another process may prune the same directory.
  const looks = names.map((path) =>
    stat(path).then(
      ({ size, mtimeMs }) => ({ path, size, mtimeMs }),
      () => null,
    ),
  );
  const files = (await Promise.all(looks)).filter((file) => file !== null);
  files.sort((a, b) => b.mtimeMs - a.mtimeMs);
  let total = 0;
  for (const { path, size } of files) {
    total += size;
    if (total > bytes && path !== keep) await rm(path, { force: true });
  }
}

/** Removes what was left behind when a process ended while it wrote. */
export async function removeOlder(dir: string, suffix: string, ms: number): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!name.endsWith(suffix)) continue;
    const path = join(dir, name);
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > ms) await rm(path, { force: true });
  }
}
