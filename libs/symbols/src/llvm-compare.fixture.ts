import { existsSync } from 'node:fs';
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
 * Two kinds are decided, each by a case of its own in the test: `cold` llvm-symbolizer gives the symbol of a moved part
 * (`main.cold`) where the debug information says `main`; `label` it gives a label without a size inside a function that has one.
 */
export type DifferenceKind = 'unnamed' | 'depth' | 'function' | 'file' | 'line' | 'cold' | 'label';
export const DECIDED: readonly DifferenceKind[] = ['cold', 'label'];

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

/**
 * Our answers and those of llvm-symbolizer for the same addresses of the same binary. Of a stripped one llvm-symbolizer is given the
 * debug file itself: by the binary's name it reads of that the debug information only, not the symbol table (a case in the test).
 */
export async function compareWithLlvm(tool: string, path: string, addresses: readonly bigint[]): Promise<Comparison> {
  const buildId = /Build ID: ([0-9a-f]+)/.exec(run('readelf', ['-n', path]))?.[1] ?? '';
  const debugFile = `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
  const theirs = llvmChains(tool, existsSync(debugFile) ? debugFile : path, addresses);
  const table = await SymbolTable.open(path, [debugFile]);
  const found = await table.resolve(BigUint64Array.from(addresses));
  table.close();
  const symbols = symbolsOf([path, debugFile]);
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
    const kind = difference(ours, theirs[i]!, symbols);
    if (kind) differences.push({ address: address.toString(16), kind, ours, theirs: theirs[i]! });
  });
  return { addresses: addresses.length, named, inlined, differences };
}

function difference(ours: Chain, theirs: Chain, symbols: Symbols): DifferenceKind | null {
  if (ours.length === 0 && theirs.length === 0) return null;
  if (ours.length === 0) return 'unnamed';
  if (theirs.length === 0) return 'function';
  if (ours.length !== theirs.length) return 'depth';
  const { places, labels } = symbols;
  const same = (a: string, b: string) => a === b || (places.has(a) && places.get(a) === places.get(b));
  const other = ours.findIndex(([name], i) => !same(name, theirs[i]![0]));
  let kind: DifferenceKind | null = null;
  if (other >= 0) {
    const [name, theirName] = [ours[other]![0], theirs[other]![0]];
    if (other === ours.length - 1 && withoutPart(theirName) === name) kind = 'cold';
    else if (other === ours.length - 1 && labels.has(theirName) && !labels.has(name)) kind = 'label';
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

function llvmChains(tool: string, path: string, addresses: readonly bigint[]): Chain[] {
  const input = addresses.map((address) => `0x${address.toString(16)}`).join('\n');
  const output = run(tool, [`--obj=${path}`, '--no-demangle', '--output-style=JSON'], { input });
  const answers = output
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as LlvmAnswer);
  const rows = answers.map(({ Symbol = [] }) => Symbol.filter(({ FunctionName }) => FunctionName !== ''));
  const names = demangleNames(rows.flatMap((row) => row.map(({ FunctionName }) => FunctionName.replace(VERSION, ''))));
  let next = 0;
  return rows.map((row) =>
    row.map(({ FileName, Line }) => [names[next++]!, FileName && posix.normalize(FileName), Line] as const),
  );
}

/** Of `xdr_int@GLIBC_2.2.5`, as `.symtab` has it. */
const VERSION = /(?<=.)@@?[\w.]+$/;

interface Symbols {
  /** Addresses by name: of names that stand for the same one any is right. */
  readonly places: ReadonlyMap<string, string>;
  /** Names that have no size. */
  readonly labels: ReadonlySet<string>;
}

function symbolsOf(paths: readonly string[]): Symbols {
  const rows = paths.flatMap((path) =>
    [safeRun('nm', ['-S', path]), safeRun('nm', ['-S', '-D', path])].join('\n').split('\n'),
  );
  const symbols = rows
    .map((row) => /^([0-9a-f]+)( [0-9a-f]+)? [tTwWiuVv] ([^@\s]+)/.exec(row))
    .filter((row) => row !== null);
  const names = demangleNames(symbols.map((row) => row[3]!));
  return {
    places: new Map(symbols.map((row, i) => [names[i]!, row[1]!])),
    labels: new Set(names.filter((_, i) => symbols[i]![2] === undefined)),
  };
}

function safeRun(command: string, args: readonly string[]): string {
  try {
    return run(command, args);
  } catch {
    return '';
  }
}
