import { SymbolTable } from '@perfleet/native-symbols';
import { ID_DIFFERS, LocalBinaries, type BinaryQuery, type SymbolSource } from './local-binaries.ts';
import { TableCache, type Unusable } from './table-cache.ts';

export interface ResolvedAddress {
  /** 0 unresolved, 1 dynamic symbols, 2 symtab, 3 debug information. */
  readonly quality: number;
  /** Innermost (inlined) first: function, file, line (0 = unknown). */
  readonly chain: ReadonlyArray<readonly [string, string, number]>;
  /** Why it is unresolved, at most 200 characters. */
  readonly reason?: string;
}

export interface Symbolizer {
  /** One answer per address, in order. Never rejects: what cannot be resolved says why. */
  resolve(binary: BinaryQuery, addresses: readonly bigint[]): Promise<ResolvedAddress[]>;
  close(): void;
}

export interface SymbolizerOptions {
  /** Directory of binaries by id, `gnu-<hex>`. */
  readonly binariesDir?: string;
  /** Where binaries are found; this machine's files by default. */
  readonly source?: SymbolSource;
  /** Open lookup tables that are kept (64). */
  readonly cacheEntries?: number;
  readonly onWarning?: (message: string) => void;
}

export const NO_SYMBOL = 'no symbol';
const MAX_WARNINGS = 1000;
const MAX_REASON = 200;

/** Lookup tables by binary, least recently used dropped first; one warning for each file that cannot be read. */
export function createSymbolizer(options: SymbolizerOptions = {}): Symbolizer {
  const source = options.source ?? new LocalBinaries(options.binariesDir);
  const warned = new Set<string>();

  const warn = (key: string, message: string) => {
    if (warned.has(key) || warned.size >= MAX_WARNINGS) return;
    warned.add(key);
    options.onWarning?.(message);
  };

  const open = async (binary: BinaryQuery): Promise<SymbolTable | Unusable> => {
    const fail = (reason: string): Unusable => {
      if (reason.includes(': ')) warn(binary.binaryId, `${binary.path}: ${reason}; its frames stay module+0xaddr`);
      return { reason };
    };
    try {
      const location = await source.locate(binary);
      if ('reason' in location) return fail(location.reason);
      const table = await SymbolTable.open(location.path, [...location.debugPaths]);
      if (location.gnuBuildId === '' || table.gnuBuildId === location.gnuBuildId) return table;
      table.close();
      return { reason: ID_DIFFERS };
    } catch (error) {
      return fail(error instanceof Error ? error.message : String(error));
    }
  };

  const tables = new TableCache<BinaryQuery>(options.cacheEntries ?? 64, open);

  return {
    async resolve(binary, addresses) {
      const failed = (reason: string) =>
        addresses.map(() => ({ quality: 0, chain: [], reason: reason.slice(0, MAX_REASON) }));
      try {
        return await tables.use(binary.binaryId, binary, async (table) =>
          'reason' in table
            ? failed(table.reason)
            : rows(await table.resolve(BigUint64Array.from(addresses)), addresses),
        );
      } catch (error) {
        return failed(error instanceof Error ? error.message : String(error));
      }
    },
    close: () => tables.clear(),
  };
}

function rows(found: Awaited<ReturnType<SymbolTable['resolve']>>, addresses: readonly bigint[]): ResolvedAddress[] {
  return addresses.map((_, i) => {
    const chain: Array<readonly [string, string, number]> = [];
    for (let at = found.offsets[i]!; at < found.offsets[i + 1]!; at++) {
      chain.push([found.strings[found.functions[at]!]!, found.strings[found.files[at]!]!, found.lines[at]!]);
    }
    return chain.length > 0 ? { quality: found.quality[i]!, chain } : { quality: 0, chain, reason: NO_SYMBOL };
  });
}
