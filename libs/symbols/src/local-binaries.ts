import { statSync } from 'node:fs';
import { join } from 'node:path';
import { identify, type BinaryIdentity } from '@perfleet/native-symbols';

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
  /** What the file must still be when it is read. */
  readonly identity: Pick<BinaryIdentity, 'gnuBuildId' | 'htlHash'>;
  /** Separate debug files to try first; they need not exist. */
  readonly debugPaths: readonly string[];
  /** Contents of other files that claim the same id; none of them is used. */
  readonly conflicts: readonly string[];
  /** What the code is, where the file itself has none: as who sent it said. */
  readonly content?: string;
}

/** Where symbols come from: this machine's files, or another store of binaries. */
export interface SymbolSource {
  /** The file of a binary, or the reason why there is none. Never rejects. */
  locate(query: BinaryQuery): Promise<BinaryLocation | { readonly reason: string }>;
}

export const NO_FILE = 'no file';
export const ID_DIFFERS = 'build id differs';

/** Files of one id that are compared. */
const MAX_LOOKED_AT = 4;

interface Found {
  readonly path: string;
  readonly identity: BinaryIdentity;
}

/**
 * Binaries of this machine: in `binariesDir` under their id (`gnu-<hex>`), by path, and through the root of a process that maps
 * them (a container's file is the container's). A file whose build id differs is never taken. Where files of one build id hold
 * different code, the store's and the machine's own come before a container's, and the others are told of.
 */
export class LocalBinaries implements SymbolSource {
  /** @param machine whether files of this machine count, or only those of `binariesDir` */
  constructor(
    private readonly binariesDir?: string,
    private readonly machine = true,
  ) {}

  async locate(query: BinaryQuery): Promise<BinaryLocation | { readonly reason: string }> {
    let reason = NO_FILE;
    const found: Found[] = [];
    const proven = !query.binaryId.startsWith('path:');
    for (const group of this.candidates(query)) {
      if (found.length > 0) break;
      for (const path of group) {
        // Without a hash the first is as good as any other.
        if (found.length >= (proven ? MAX_LOOKED_AT : 1)) break;
        try {
          const identity = await identify(path);
          const why = refusal(query.binaryId, identity, path);
          if (why !== '') reason = why;
          else if (!found.some((other) => other.identity.file === identity.file)) found.push({ path, identity });
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error);
          if (!/: (No such file|Not a directory)/.test(message)) reason = message;
        }
      }
    }
    const [first, ...others] = found;
    if (!first) return { reason };
    const { gnuBuildId, htlHash } = first.identity;
    return {
      path: first.path,
      identity: { gnuBuildId, htlHash },
      debugPaths: this.debugPathsOf(gnuBuildId, first.path),
      conflicts: await conflictsOf(first, others),
    };
  }

  /** A group is looked at when no file of those before it will do; the files of one group are compared. */
  private candidates({ binaryId, path, pids }: BinaryQuery): string[][] {
    const inStore = this.inStore(binaryId);
    // A kernel's path has no `..`; one that has is nobody's mapping.
    if (!this.machine || !path.startsWith('/') || path.split('/').includes('..')) return [inStore];
    const roots = rootsOf(pids);
    const [own, others] = [roots.own, roots.others].map((of) => of.map((pid) => `/proc/${pid}/root${path}`));
    if (binaryId.startsWith('path:')) return [[...own!, ...others!, path]];
    // A process of this machine's own root sees the same files, but for private mounts.
    return [[...inStore, path, ...others!], own!];
  }

  private inStore(binaryId: string): string[] {
    if (!this.binariesDir || !/^(gnu|htl):[\w.-]+$/.test(binaryId)) return [];
    return [join(this.binariesDir, binaryId.replace(':', '-'))];
  }

  /** The store's debug file, then the distributions' place for them: on this machine, and in the binary's root. */
  debugPathsOf(buildId: string, path: string): string[] {
    if (!/^[0-9a-f]{6,128}$/.test(buildId)) return [];
    const place = `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
    const root = /^\/proc\/\d+\/root/.exec(path)?.[0];
    const inStore = this.binariesDir ? [join(this.binariesDir, `gnu-${buildId}.debug`)] : [];
    return root ? [...inStore, place, root + place] : [...inStore, place];
  }
}

/** Processes that live: those in this machine's own root, and one for each other root. */
function rootsOf(pids: readonly number[]): { readonly own: number[]; readonly others: number[] } {
  const identity = (path: string) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat && `${stat.dev}:${stat.ino}`;
  };
  const own: number[] = [];
  const others = new Map<string, number>();
  const ownRoot = identity('/');
  for (const pid of pids) {
    try {
      const root = identity(`/proc/${pid}/root/`);
      if (root === ownRoot) own.push(pid);
      else if (root !== undefined && !others.has(root)) others.set(root, pid);
    } catch {
      // It may not be looked into, or ended meanwhile.
    }
  }
  return { own, others: [...others.values()] };
}

/** Contents of the other files that are not the first one's. Only now is all of the code read. */
async function conflictsOf(first: Found, others: readonly Found[]): Promise<string[]> {
  if (others.length === 0) return [];
  const contents = await Promise.all(
    [first, ...others].map(({ path }) =>
      identify(path, true).then(
        ({ content }) => content,
        () => '',
      ),
    ),
  );
  const own = contents[0]!;
  return [...new Set(contents)].filter((content) => own !== '' && content !== '' && content !== own);
}

/** Why a file may not stand for a binary, "" when it may. */
function refusal(binaryId: string, identity: BinaryIdentity, path: string): string {
  if (binaryId.startsWith('gnu:')) {
    return identity.gnuBuildId !== '' && identity.gnuBuildId === binaryId.slice(4) ? '' : ID_DIFFERS;
  }
  if (binaryId.startsWith('htl:')) return identity.htlHash === binaryId.slice(4) ? '' : ID_DIFFERS;
  // Nothing proves that this file was mapped: outside of a process's root only what nobody else can put there counts.
  const trusted = path.startsWith('/proc/') || identity.uid === 0 || identity.uid === process.geteuid?.();
  return trusted ? '' : `${path}: it belongs to user ${identity.uid}`;
}
