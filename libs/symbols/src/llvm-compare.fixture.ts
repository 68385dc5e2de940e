import { posix } from 'node:path';
import { demangleNames, SymbolTable } from '@perfleet/native-symbols';
import { run } from './programs.fixture.ts';

/** Function, file, line of each level, innermost first. */
type Chain = ReadonlyArray<readonly [string, string, number]>;

export interface Difference {
  readonly address: string;
  readonly kind: DifferenceKind;
  readonly ours: Chain;
  readonly theirs: Chain;
}

/**
 * What differs: `unnamed` we have no name, `depth` another number of inlined calls, `function`, `file`, `line` at some level.
 * Two kinds are llvm-symbolizer's shortcomings, each shown by a case of its own in the test: `cold` it gives the symbol of a
 * moved part (`main.cold`) where the debug information says `main`; `symtab` it reads the symbol table of the stripped binary
 * only, not that of its debug file, and so lacks names without debug information and those of clones (`f.isra.0`).
 */
export type DifferenceKind = 'unnamed' | 'depth' | 'function' | 'file' | 'line' | 'cold' | 'symtab';
export const EXPLAINED: readonly DifferenceKind[] = ['cold', 'symtab'];

export interface Comparison {
  readonly addresses: number;
  /** Addresses that either names. */
  readonly named: number;
  readonly inlined: number;
  readonly differences: readonly Difference[];
}

interface LlvmAnswer {
  readonly Symbol?: ReadonlyArray<{ readonly FunctionName: string; readonly FileName: string; readonly Line: number }>;
}

/** A reproducible choice of addresses of a binary's `.text`, about `count`. */
export function textAddresses(path: string, count: number, seed = 1): bigint[] {
  const row = /\s\.text\s+PROGBITS\s+([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)/.exec(run('readelf', ['-SW', path]))!;
  const [start, size] = [BigInt(`0x${row[1]}`), Number.parseInt(row[2]!, 16)];
  // xorshift32
  let state = seed;
  const random = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  const chosen = new Set<bigint>();
  for (let i = 0; i < count; i++) chosen.add(start + BigInt(Math.floor(random() * size)));
  return [...chosen];
}

/** Our answers and those of llvm-symbolizer for the same addresses of the same file. */
export async function compareWithLlvm(tool: string, path: string, addresses: readonly bigint[]): Promise<Comparison> {
  const theirs = llvmChains(tool, path, addresses);
  const buildId = /Build ID: ([0-9a-f]+)/.exec(run('readelf', ['-n', path]))?.[1] ?? '';
  const debugFile = `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
  const table = await SymbolTable.open(path, [debugFile]);
  const found = await table.resolve(BigUint64Array.from(addresses));
  table.close();
  const aliases = aliasesOf([path, debugFile]);
  const differences: Difference[] = [];
  let [named, inlined] = [0, 0];
  addresses.forEach((address, i) => {
    const ours: Array<readonly [string, string, number]> = [];
    for (let at = found.offsets[i]!; at < found.offsets[i + 1]!; at++) {
      const file = found.strings[found.files[at]!]!;
      ours.push([found.strings[found.functions[at]!]!, file && posix.normalize(file), found.lines[at]!]);
    }
    if (ours.length > 0 || theirs[i]!.length > 0) named++;
    if (ours.length > 1) inlined++;
    const kind = difference(ours, theirs[i]!, aliases);
    if (kind) differences.push({ address: address.toString(16), kind, ours, theirs: theirs[i]! });
  });
  return { addresses: addresses.length, named, inlined, differences };
}

function difference(ours: Chain, theirs: Chain, aliases: ReadonlyMap<string, string>): DifferenceKind | null {
  if (ours.length === 0 && theirs.length === 0) return null;
  if (ours.length === 0) return 'unnamed';
  const outer = ours.at(-1)![0];
  if (theirs.length === 0) return aliases.has(outer) ? 'symtab' : 'function';
  if (ours.length !== theirs.length) return 'depth';
  const same = (a: string, b: string) => a === b || (aliases.has(a) && aliases.get(a) === aliases.get(b));
  const other = ours.findIndex(([name], i) => !same(name, theirs[i]![0]));
  let kind: DifferenceKind | null = null;
  if (other >= 0) {
    const [name, theirName] = [ours[other]![0], theirs[other]![0]];
    if (other === ours.length - 1 && withoutPart(theirName) === name) kind = 'cold';
    else if (other === ours.length - 1 && aliases.has(name) && withoutClones(name) === theirName) kind = 'symtab';
    else return 'function';
  }
  // Without debug information llvm-symbolizer gives the base name of an STT_FILE symbol, which names no file that can be found.
  if (ours.some(([, file], i) => file !== theirs[i]![1] && theirs[i]![2] > 0)) return 'file';
  return ours.some(([, , line], i) => line !== theirs[i]![2]) ? 'line' : kind;
}

/** `main.cold`, demangled or not, as `main`. */
function withoutPart(name: string): string {
  return name.replace(/ \[clone \.cold(\.\d+)?\]$|\.cold(\.\d+)?$/, '');
}

/** `f.isra.0.part.1` as `f`. */
function withoutClones(name: string): string {
  return name.replace(/(\.(part|isra|constprop|lto_priv)\.\d+)+$/, '');
}

function llvmChains(tool: string, path: string, addresses: readonly bigint[]): Chain[] {
  const input = addresses.map((address) => `0x${address.toString(16)}`).join('\n');
  const output = run(tool, [`--obj=${path}`, '--no-demangle', '--output-style=JSON'], { input });
  const answers = output
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as LlvmAnswer);
  const rows = answers.map(({ Symbol = [] }) => Symbol.filter(({ FunctionName }) => FunctionName !== ''));
  const names = demangleNames(rows.flatMap((row) => row.map(({ FunctionName }) => FunctionName)));
  let next = 0;
  return rows.map((row) =>
    row.map(({ FileName, Line }) => [names[next++]!, FileName && posix.normalize(FileName), Line] as const),
  );
}

/** Names that stand for the same address: any of them is right. */
function aliasesOf(paths: readonly string[]): Map<string, string> {
  const rows = paths.flatMap((path) => [safeRun('nm', [path]), safeRun('nm', ['-D', path])].join('\n').split('\n'));
  const symbols = rows.map((row) => /^([0-9a-f]+) [tTwWiuVv] ([^@\s]+)/.exec(row)).filter((row) => row !== null);
  const names = demangleNames(symbols.map((row) => row[2]!));
  return new Map(symbols.map((row, i) => [names[i]!, row[1]!]));
}

function safeRun(command: string, args: readonly string[]): string {
  try {
    return run(command, args);
  } catch {
    return '';
  }
}
