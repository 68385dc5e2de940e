import { createWriteStream, statSync, utimesSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BoundedMap } from './bounded-map.ts';
import { pruneFiles } from './file-quota.ts';

export interface DebuginfodOptions {
  /** Base addresses, asked in order. */
  readonly urls: readonly string[];
  /** Where answers are kept. */
  readonly cacheDir: string;
  /** Bytes of one answer (1 GiB). */
  readonly maxBytes?: number;
  /** Bytes of all answers that are kept (8 GiB); the ones used longest ago go first. */
  readonly quotaBytes?: number;
  /** For one answer (120 s). */
  readonly timeoutMs?: number;
  /** How long a server that does not know a build id is not asked again (1 h). */
  readonly forgetMs?: number;
  readonly onWarning?: (message: string) => void;
}

/** Debug files by build id from debuginfod servers. https://sourceware.org/elfutils/Debuginfod.html */
export interface Debuginfod {
  /** Path of the debug file, or null when no server has it. Never rejects. */
  debugFile(gnuBuildId: string): Promise<string | null>;
  /** Ends what is being fetched. */
  close(): void;
}

const MAX_UNKNOWN = 100_000;
const GIB = 2 ** 30;

export function createDebuginfod(options: DebuginfodOptions): Debuginfod {
  const { urls, cacheDir, maxBytes = GIB, quotaBytes = 8 * GIB, timeoutMs = 120_000, forgetMs = 3_600_000 } = options;
  /** Build ids that no server has. */
  const unknown = new BoundedMap<true>(MAX_UNKNOWN, forgetMs);
  const stopping = new AbortController();
  /** One after another: a deployment of new images must not open a hundred downloads. */
  let queue: Promise<unknown> = Promise.resolve();

  const fetchTo = async (url: string, target: string): Promise<boolean> => {
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(timeoutMs)]);
    const answer = await fetch(url, { signal, headers: { 'user-agent': 'perfleet' } });
    if (answer.status === 404) {
      await answer.body?.cancel();
      return false;
    }
    if (!answer.ok || !answer.body) {
      await answer.body?.cancel();
      throw new Error(`it answered ${answer.status}`);
    }
    const part = `${target}.part`;
    try {
      await pipeline(answer.body, atMost(maxBytes), createWriteStream(part, { mode: 0o600 }), { signal });
      await rename(part, target);
    } finally {
      await rm(part, { force: true });
    }
    return true;
  };

  const ask = async (buildId: string, target: string): Promise<string | null> => {
    await mkdir(cacheDir, { recursive: true });
    let answered = true;
    for (const url of urls) {
      const address = `${url.replace(/\/+$/, '')}/buildid/${buildId}/debuginfo`;
      try {
        if (!(await fetchTo(address, target))) continue;
        await pruneFiles(cacheDir, { suffix: '.debug', bytes: quotaBytes, keep: target });
        return target;
      } catch (error) {
        if (stopping.signal.aborted) return null;
        answered = false;
        options.onWarning?.(`${address}: ${causeOf(error)}`);
      }
    }
    // A server that is away may know it later; it is asked again with the binary's next look.
    if (answered) unknown.set(buildId, true);
    return null;
  };

  return {
    async debugFile(buildId) {
      if (urls.length === 0 || !/^[0-9a-f]{6,128}$/.test(buildId)) return null;
      const target = join(cacheDir, `${buildId}.debug`);
      const attempt = queue.then(async () => {
        if (used(target)) return target;
        if (unknown.get(buildId)) return null;
        return ask(buildId, target).catch((error: unknown) => {
          options.onWarning?.(`debuginfod: ${causeOf(error)}`);
          return null;
        });
      });
      queue = attempt;
      return attempt;
    },
    close: () => stopping.abort(),
  };
}

/** Whether the file is there; one that is counts as used now. */
function used(path: string): boolean {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return false;
  const now = new Date();
  utimesSync(path, now, now);
  return true;
}

function atMost(bytes: number): Transform {
  let seen = 0;
  return new Transform({
    transform(chunk: Buffer, _, done) {
      seen += chunk.length;
      if (seen > bytes) done(new Error(`its answer is longer than ${bytes} bytes`));
      else done(null, chunk);
    },
  });
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
