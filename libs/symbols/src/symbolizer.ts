import { SymbolTable } from '@perfleet/native-symbols';
import { locateBinary, type BinaryQuery } from './local-binaries.ts';

export interface ResolvedAddress {
  /** 0 unresolved, 1 dynamic symbols, 2 symtab, 3 debug information. */
  readonly quality: number;
  /** Innermost (inlined) first: function, file, line (0 = unknown). */
  readonly chain: ReadonlyArray<readonly [string, string, number]>;
  /** Why it is unresolved. */
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
  /** Open lookup tables that are kept (64). */
  readonly cacheEntries?: number;
  readonly onWarning?: (message: string) => void;
}

type Opened = SymbolTable | { readonly reason: string };

/** Lookup tables by binary, least recently used dropped first; one warning for each file that cannot be read. */
export function createSymbolizer(options: SymbolizerOptions = {}): Symbolizer {
  const tables = new Map<string, Promise<Opened>>();
  const warned = new Set<string>();

  const warn = (message: string) => {
    if (warned.has(message) || warned.size > 1000) return;
    warned.add(message);
    options.onWarning?.(message);
  };

  const open = async (binary: BinaryQuery): Promise<Opened> => {
    const location = await locateBinary(binary, options.binariesDir);
    if ('reason' in location) {
      if (location.reason.includes(': ')) warn(`${binary.path}: ${location.reason}; its frames stay module+0xaddr`);
      return location;
    }
    try {
      return await SymbolTable.open(location.path, location.debugPaths);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      warn(`${reason}; its frames stay module+0xaddr`);
      return { reason };
    }
  };

  const table = (binary: BinaryQuery): Promise<Opened> => {
    const known = tables.get(binary.binaryId);
    const opened = known ?? open(binary);
    tables.delete(binary.binaryId);
    tables.set(binary.binaryId, opened);
    // A binary that is not there now may come: only what opened is kept.
    void opened.then(
      (result) => 'reason' in result && tables.get(binary.binaryId) === opened && tables.delete(binary.binaryId),
    );
    for (const oldest of tables.keys()) {
      if (tables.size <= (options.cacheEntries ?? 64)) break;
      tables.delete(oldest);
    }
    return opened;
  };

  return {
    async resolve(binary, addresses) {
      const opened = await table(binary);
      if ('reason' in opened)
        return addresses.map(() => ({ quality: 0, chain: [], reason: opened.reason.slice(0, 200) }));
      try {
        const found = await opened.resolve(BigUint64Array.from(addresses));
        return addresses.map((_, i) => {
          const chain: Array<readonly [string, string, number]> = [];
          for (let at = found.offsets[i]!; at < found.offsets[i + 1]!; at++) {
            chain.push([found.strings[found.functions[at]!]!, found.strings[found.files[at]!]!, found.lines[at]!]);
          }
          return chain.length > 0 ? { quality: found.quality[i]!, chain } : { quality: 0, chain, reason: 'no symbol' };
        });
      } catch (error) {
        const reason = (error instanceof Error ? error.message : String(error)).slice(0, 200);
        return addresses.map(() => ({ quality: 0, chain: [], reason }));
      }
    },
    close: () => tables.clear(),
  };
}
