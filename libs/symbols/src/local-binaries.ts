import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { identify, type BinaryIdentity } from '@perfleet/native-symbols';
import { htlHash } from './htl-hash.ts';

export interface BinaryQuery {
  /** As `libs/ids` makes it: `gnu:…`, `htl:…` or `path:…`. */
  readonly binaryId: string;
  /** Path of the mapping as the process saw it; "" when no file of this machine may stand for it. */
  readonly path: string;
  /** Processes of this machine that map it. */
  readonly pids: readonly number[];
}

export interface BinaryLocation {
  readonly path: string;
  /** NT_GNU_BUILD_ID that the file must have, "" when its id is another. */
  readonly gnuBuildId: string;
  /** Separate debug files to try first; they need not exist. */
  readonly debugPaths: readonly string[];
}

/** Where symbols come from: this machine's files, or another store of binaries. */
export interface SymbolSource {
  /** The file of a binary, or the reason why there is none. Never rejects. */
  locate(query: BinaryQuery): Promise<BinaryLocation | { readonly reason: string }>;
}

export const NO_FILE = 'no file';
export const ID_DIFFERS = 'build id differs';

/**
 * Binaries of this machine: through the root of a process that maps them (a container's file is the container's), by path, or
 * in `binariesDir` under their id (`gnu-<hex>`). A file whose build id differs is never taken.
 */
export class LocalBinaries implements SymbolSource {
  constructor(private readonly binariesDir?: string) {}

  async locate(query: BinaryQuery): Promise<BinaryLocation | { readonly reason: string }> {
    let reason = NO_FILE;
    for (const path of this.candidates(query)) {
      try {
        const identity = await identify(path);
        if (!(await matches(query.binaryId, identity, path))) reason = ID_DIFFERS;
        else {
          const debugPaths = debugPathsOf(identity.gnuBuildId, path);
          return { path, gnuBuildId: query.binaryId.startsWith('gnu:') ? identity.gnuBuildId : '', debugPaths };
        }
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (!/: (No such file|Not a directory)/.test(message)) reason = message;
      }
    }
    return { reason };
  }

  private candidates({ binaryId, path, pids }: BinaryQuery): string[] {
    const candidates: string[] = [];
    // A kernel's path has no `..`; one that has would leave the process's root.
    if (path.startsWith('/') && !path.split('/').includes('..')) {
      for (const pid of pids) if (existsSync(`/proc/${pid}`)) candidates.push(`/proc/${pid}/root${path}`);
      candidates.push(path);
    }
    if (this.binariesDir && /^(gnu|htl):[\w.-]+$/.test(binaryId)) {
      candidates.push(join(this.binariesDir, binaryId.replace(':', '-')));
    }
    return candidates;
  }
}

async function matches(binaryId: string, identity: BinaryIdentity, path: string): Promise<boolean> {
  if (binaryId.startsWith('gnu:')) return identity.gnuBuildId !== '' && identity.gnuBuildId === binaryId.slice(4);
  if (binaryId.startsWith('htl:')) return (await htlHash(path)) === binaryId.slice(4);
  return true;
}

/** The distributions' place for debug files, in the binary's root and on this machine. */
function debugPathsOf(buildId: string, path: string): string[] {
  if (!/^[0-9a-f]{6,128}$/.test(buildId)) return [];
  const place = `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
  const root = /^\/proc\/\d+\/root/.exec(path)?.[0];
  return root ? [root + place, place] : [place];
}
