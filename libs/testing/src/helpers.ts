import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface WaitOptions {
  readonly timeoutMs: number;
  /** What is waited for: "timed out after 5000 ms waiting for <what>". */
  readonly what: string;
  readonly intervalMs?: number;
}

/** The machine's own time, also in a test that has put a clock of its own in place of the global one. */
const realTimeout = setTimeout;
const realNow = () => Number(process.hrtime.bigint()) / 1e6;

/**
 * Resolves with the condition's first truthy value. A condition that throws counts as not yet; its last error is the
 * cause of the timeout.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { timeoutMs, what, intervalMs = 25 }: WaitOptions,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = realNow() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as Exclude<T, false | null | undefined>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (realNow() >= deadline) {
      const last = cause instanceof Error ? `; last error: ${cause.message}` : '';
      throw new Error(`timed out after ${timeoutMs} ms waiting for ${what}${last}`, { cause });
    }
    await new Promise((resolve) => realTimeout(resolve, intervalMs));
  }
}

/** Below what the kernel gives to outgoing connections (`net.ipv4.ip_local_port_range` begins at 32768), above what services own. */
const PORTS = { from: 12_000, until: 32_000 };

/**
 * A TCP port on loopback that nobody listens on at this moment. By chance and outside the kernel's own range, so that neither a
 * connection nor a test beside this one takes it before its server does.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.until);
    if (await canListen(port)) return port;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    );
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A new directory; `remove` it, or it goes when the process exits. */
export function tempDir(prefix = 'perfleet-test-'): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), prefix));
  const remove = () => rmSync(path, { recursive: true, force: true });
  process.once('exit', remove);
  return {
    path,
    remove: () => {
      process.removeListener('exit', remove);
      remove();
    },
  };
}
