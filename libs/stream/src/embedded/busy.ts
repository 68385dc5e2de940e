import { StreamUnavailableError } from '../errors.ts';

const SQLITE_BUSY = 5;
const DISK_ERRORS = new Set([8, 10, 13]);
const RETRY_MS = 20;
const GIVE_UP_MS = 10_000;

/** Runs a transaction again while another process holds the file's write lock, without blocking this one meanwhile. */
export async function whenFree<T>(path: string, work: () => T): Promise<T> {
  const deadline = performance.now() + GIVE_UP_MS;
  for (;;) {
    try {
      return work();
    } catch (cause) {
      const code = ((cause as { errcode?: number }).errcode ?? 0) & 0xff;
      const message = cause instanceof Error ? cause.message : String(cause);
      if (DISK_ERRORS.has(code))
        throw new StreamUnavailableError(
          `the embedded log ${path} cannot be written: ${message}; free some space or check the mount`,
          { cause },
        );
      if (code !== SQLITE_BUSY) throw cause;
      if (performance.now() > deadline)
        throw new StreamUnavailableError(`the embedded log ${path} is locked by another process`, { cause });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
