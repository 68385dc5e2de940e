/** Struct of arrays: row `i` of the answer is `chain[offsets[i] .. offsets[i + 1])`, innermost (inlined) first. */
export interface Resolved {
  readonly strings: readonly string[];
  /** Length n + 1. An empty row is an address without a symbol. */
  readonly offsets: Uint32Array;
  /** Index into `strings`: demangled function name. */
  readonly functions: Uint32Array;
  /** Index into `strings`: file path, "" if unknown. */
  readonly files: Uint32Array;
  /** 0 = unknown. */
  readonly lines: Uint32Array;
  /** Per address: 0 unresolved, 1 dynamic symbols, 2 symtab, 3 debug information. */
  readonly quality: Uint8Array;
}

export interface BinaryIdentity {
  /** NT_GNU_BUILD_ID in hex, "" if there is none. */
  readonly gnuBuildId: string;
  readonly hasDebugInfo: boolean;
  readonly hasSymtab: boolean;
}

/** Reads identity without converting. Rejects with a message that names the path and the cause. */
export function identify(path: string): Promise<BinaryIdentity>;

/** A binary's lookup table, converted once. All work is off the event loop. */
export class SymbolTable {
  /** @param debugPaths separate debug files to try first (build-id and .gnu_debuglink paths). */
  static open(path: string, debugPaths?: readonly string[]): Promise<SymbolTable>;
  readonly gnuBuildId: string;
  /** @param addresses ELF virtual addresses. */
  resolve(addresses: BigUint64Array): Promise<Resolved>;
  close(): void;
}
