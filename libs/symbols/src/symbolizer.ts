import type { SymbolTable } from '@perfleet/native-symbols';
import { BoundedMap } from './bounded-map.ts';
import type { Debuginfod } from './debuginfod.ts';
import { KeptTables, type KeptTablesOptions } from './kept-tables.ts';
import {
  ID_DIFFERS,
  LocalBinaries,
  type BinaryLocation,
  type BinaryQuery,
  type SymbolSource,
} from './local-binaries.ts';
import { TableCache, type Unusable } from './table-cache.ts';

export interface ResolvedAddress {
  /** 0 unresolved, 1 dynamic symbols, 2 symtab, 3 debug information. */
  readonly quality: number;
  /** Innermost (inlined) first: function, file, line (0 = unknown). */
  readonly chain: ReadonlyArray<readonly [string, string, number]>;
  /** Why it is unresolved, or what is wrong with its binary although it has a name; at most 200 characters. */
  readonly reason?: string;
}

export interface Symbolizer {
  /** One answer per address, in order. Never rejects: what cannot be resolved says why. */
  resolve(binary: BinaryQuery, addresses: readonly bigint[]): Promise<ResolvedAddress[]>;
  close(): void;
}

export interface SymbolizerOptions {
  /** Directory of binaries by id, `gnu-<hex>`, and of their debug files, `gnu-<hex>.debug`. */
  readonly binariesDir?: string;
  /** Where binaries are found; this machine's files by default. */
  readonly source?: SymbolSource;
  /** Asked for binaries without debug information; none by default. */
  readonly debuginfod?: Debuginfod;
  /** Open lookup tables that are kept (64). */
  readonly cacheEntries?: number;
  /** What they may map, bytes (512 MiB). */
  readonly cacheBytes?: number;
  /** Where tables are kept and what making one may take; in memory by default. */
  readonly tables?: KeptTablesOptions;
  readonly onWarning?: (message: string) => void;
}

export const NO_SYMBOL = 'no symbol';
/** Begins the reason of names whose build id other code claims too. */
export const CONFLICT = 'other code claims this build id';
const MAX_WARNINGS = 1000;
const MAX_REASON = 200;
/** Binaries of which something is remembered. */
const MAX_KNOWN = 100_000;
/** After this a file that could not be converted is tried again: the machine may have been short of memory or time. */
const BROKEN_MS = 3_600_000;

/** Lookup tables by binary, least recently used dropped first; one warning for each file that cannot be read. */
export function createSymbolizer(options: SymbolizerOptions = {}): Symbolizer {
  const { debuginfod } = options;
  const source = options.source ?? new LocalBinaries(options.binariesDir);
  const kept = new KeptTables({ onWarning: options.onWarning, ...options.tables });
  const warned = new Set<string>();
  /** The code that each binary id stood for first. No other code is taken for it: a build id can be copied. */
  const contents = new BoundedMap<string>(MAX_KNOWN);
  /** What is wrong with binaries that have names. */
  const remarks = new BoundedMap<string>(MAX_KNOWN);
  /** Files that could not be converted, by id and hash: a hostile file must not cost a conversion at every retry. */
  const broken = new BoundedMap<string>(MAX_KNOWN, BROKEN_MS);

  const warn = (key: string, message: string) => {
    if (warned.has(key) || warned.size >= MAX_WARNINGS) return;
    warned.add(key);
    options.onWarning?.(message);
  };

  /** @returns false when the id stands for other code already */
  const pin = (binaryId: string, content: string): boolean => {
    const known = contents.get(binaryId);
    if (known !== undefined) return content === '' || known === content;
    if (content !== '') contents.set(binaryId, content);
    return true;
  };

  const open = async (binary: BinaryQuery): Promise<SymbolTable | Unusable> => {
    const { binaryId } = binary;
    const fail = (reason: string): Unusable => {
      if (reason.includes(': ')) warn(binaryId, `${binary.path}: ${reason}; its frames stay module+0xaddr`);
      return { reason };
    };
    try {
      const location = await source.locate(binary);
      if ('reason' in location) return (await fetched(binaryId)) ?? fail(location.reason);
      if (location.conflicts.length > 0) {
        const remark = `${CONFLICT}: ${location.conflicts.join(', ')}`;
        remarks.set(binaryId, remark);
        warn(`${binaryId} conflict`, `${binary.path}: ${binaryId}: ${remark}; its names are those of ${location.path}`);
      }
      const file = `${binaryId} ${location.identity.htlHash} ${location.path}`;
      const before = broken.get(file);
      if (before !== undefined) return { reason: before };
      try {
        const table = await openAt(location);
        if ('reason' in table) return table;
        const content = table.content || (location.content ?? '');
        if (pin(binaryId, content)) return table;
        table.close();
        return fail(`${CONFLICT}: ${content} is not used`);
      } catch (error) {
        broken.set(file, messageOf(error));
        throw error;
      }
    } catch (error) {
      return fail(messageOf(error));
    }
  };

  const openAt = async (location: BinaryLocation): Promise<SymbolTable | Unusable> => {
    const { identity, path, debugPaths } = location;
    const table = await kept.open(path, debugPaths);
    // The file may have changed since it was looked at.
    if (table.gnuBuildId !== identity.gnuBuildId || table.htlHash !== identity.htlHash) {
      table.close();
      return { reason: ID_DIFFERS };
    }
    if (table.source === 'debug-info' || table.source === 'separate-debug-info') return table;
    const file = await debuginfod?.debugFile(identity.gnuBuildId);
    if (!file) return table;
    const better = await kept.open(path, [file, ...debugPaths]);
    if (better.content === table.content && better.gnuBuildId === table.gnuBuildId) {
      table.close();
      return better;
    }
    better.close();
    return table;
  };

  /** A binary that no machine here has, from its debug file alone. */
  const fetched = async (binaryId: string): Promise<SymbolTable | null> => {
    if (!binaryId.startsWith('gnu:')) return null;
    const file = await debuginfod?.debugFile(binaryId.slice(4));
    if (!file) return null;
    const table = await kept.open(file);
    if (table.gnuBuildId === binaryId.slice(4)) return table;
    table.close();
    return null;
  };

  const tables = new TableCache<BinaryQuery>(
    { tables: options.cacheEntries ?? 64, bytes: options.cacheBytes ?? 512 * 2 ** 20 },
    open,
  );

  return {
    async resolve(binary, addresses) {
      const failed = (reason: string) =>
        addresses.map(() => ({ quality: 0, chain: [], reason: reason.slice(0, MAX_REASON) }));
      try {
        return await tables.use(binary.binaryId, binary, async (table) =>
          'reason' in table
            ? failed(table.reason)
            : rows(await table.resolve(BigUint64Array.from(addresses)), addresses, {
                named: remarks.get(binary.binaryId),
                unnamed: table.problem || NO_SYMBOL,
              }),
        );
      } catch (error) {
        return failed(messageOf(error));
      }
    },
    close: () => {
      debuginfod?.close();
      tables.clear();
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function rows(
  found: Awaited<ReturnType<SymbolTable['resolve']>>,
  addresses: readonly bigint[],
  reasons: { readonly named: string | undefined; readonly unnamed: string },
): ResolvedAddress[] {
  const { named, unnamed } = reasons;
  return addresses.map((_, i) => {
    const chain: Array<readonly [string, string, number]> = [];
    for (let at = found.offsets[i]!; at < found.offsets[i + 1]!; at++) {
      chain.push([found.strings[found.functions[at]!]!, found.strings[found.files[at]!]!, found.lines[at]!]);
    }
    if (chain.length === 0) return { quality: 0, chain, reason: unnamed.slice(0, MAX_REASON) };
    return { quality: found.quality[i]!, chain, ...(named ? { reason: named.slice(0, MAX_REASON) } : {}) };
  });
}
