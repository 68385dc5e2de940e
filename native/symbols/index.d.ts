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
  /** NT_GNU_BUILD_ID in hex, "" if there is none. A claim: anybody can write one. */
  readonly gnuBuildId: string;
  /** `process.executable.build_id.htlhash` in hex: SHA-256 over the ends and the length of the file. */
  readonly htlHash: string;
  /** SHA-256 over the executable code, cut to 16 bytes, in hex: the same for a stripped file. "" in a separate
   * debug file, and when it was not asked for. */
  readonly content: string;
  readonly hasDebugInfo: boolean;
  readonly hasSymtab: boolean;
  /** User that owns the file. */
  readonly uid: number;
  /** Device and inode: the same file under another name. */
  readonly file: string;
}

/** Where the names of a table come from. */
export type SymbolTableSource =
  'none' | 'dynamic' | 'symtab' | 'mini-debug-info' | 'go-table' | 'separate-debug-info' | 'debug-info';

/**
 * Reads identity without converting. Rejects with a message that names the path and the cause. A path `/proc/PID/root/…` is
 * resolved as that process would: its links end below its root, and the file must be root's or the process's user's.
 * @param withContent hash the code too, which reads all of it
 */
export function identify(path: string, withContent?: boolean): Promise<BinaryIdentity>;

export interface SlimBinary {
  readonly gnuBuildId: string;
  /** Of the whole binary, see `BinaryIdentity`; the slim file itself has no code. */
  readonly content: string;
  /** Length of the slim file; 0 when the binary names no function. */
  readonly bytes: number;
  /** SHA-256 of the slim file in hex, "" when it was not written. */
  readonly sha256: string;
}

/**
 * A binary without code and data: what names need, at the same addresses; of a stripped binary its separate debug file, where one
 * of the same build id is installed in the same root. Takes paths as `identify` does, at the lowest priority.
 * @param target where it is written, a path where nothing is yet; without it only what it would be is told
 */
export function slimBinary(path: string, target?: string): Promise<SlimBinary>;

export interface TableKeeping {
  /** Where lookup tables are kept, `BUILD_ID-STATE.table`: nobody else may write there. Without it they are in memory. */
  readonly directory?: string;
  /** Private memory that a conversion may take (512 MiB); what needs more is refused. */
  readonly memoryBytes?: number;
}

/** A binary's lookup table, converted once, or kept from an earlier time. All work is off the event loop. */
export class SymbolTable {
  /** @param debugPaths separate debug files to try before those that `.gnu_debuglink` names; only one of the same build id counts. */
  static open(path: string, debugPaths?: readonly string[], keeping?: TableKeeping): Promise<SymbolTable>;
  readonly gnuBuildId: string;
  readonly htlHash: string;
  readonly content: string;
  readonly source: SymbolTableSource;
  /** What of the file could not be used, "" when all could. */
  readonly problem: string;
  /** Memory that the table may take, outside the JavaScript heap: it is mapped. 0 when it is closed. */
  readonly bytes: number;
  /** @param addresses ELF virtual addresses. */
  resolve(addresses: BigUint64Array): Promise<Resolved>;
  close(): void;
}

/** Names as a reader knows them (C++, Rust), in order. What is not mangled stays. */
export function demangleNames(names: readonly string[]): string[];
