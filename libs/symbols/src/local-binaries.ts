import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { identify } from '@perfleet/native-symbols';

export interface BinaryQuery {
  /** As `libs/ids` makes it: `gnu:…`, `htl:…` or `path:…`. */
  readonly binaryId: string;
  /** Path of the mapping as the process saw it. */
  readonly path: string;
  /** Processes that map it. */
  readonly pids: readonly number[];
}

export interface BinaryLocation {
  readonly path: string;
  /** Separate debug files to try first. */
  readonly debugPaths: readonly string[];
}

/**
 * Finds a binary on this machine: through the root of a process that maps it (a container's file is the container's), by its
 * path, or in `binariesDir` under its id. A file whose build id differs is never taken.
 * @returns the location, or the reason why there is none
 */
export async function locateBinary(
  query: BinaryQuery,
  binariesDir?: string,
): Promise<BinaryLocation | { readonly reason: string }> {
  const buildId = query.binaryId.startsWith('gnu:') ? query.binaryId.slice(4) : '';
  const candidates = query.path.startsWith('/')
    ? [...query.pids.map((pid) => `/proc/${pid}/root${query.path}`), query.path]
    : [];
  if (binariesDir && /^[\w:.-]+$/.test(query.binaryId))
    candidates.push(join(binariesDir, query.binaryId.replaceAll(':', '-')));
  let reason = 'no file';
  for (const path of candidates) {
    if (!existsSync(path)) continue;
    try {
      const identity = await identify(path);
      if (buildId !== '' && identity.gnuBuildId !== buildId) reason = 'build id differs';
      else return { path, debugPaths: debugPaths(buildId, path) };
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  return { reason };
}

/** The distribution's place for debug files, in the binary's root and on this machine. */
function debugPaths(buildId: string, path: string): string[] {
  if (!/^[0-9a-f]{6,128}$/.test(buildId)) return [];
  const place = `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
  const root = /^\/proc\/\d+\/root/.exec(path)?.[0];
  return [...(root ? [root + place] : []), place].filter((candidate) => existsSync(candidate));
}
