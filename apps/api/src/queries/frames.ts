import type { Db, AskOptions } from './db.ts';
import { Lru } from './lru.ts';

/** One function of a frame's inline chain. */
export interface ResolvedFrame {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  /** Base name of the binary, or "". */
  readonly module: string;
  /** profile.frame.type: native, kernel, v8js, … */
  readonly kind: string;
  readonly inlined: boolean;
}

/** A frame's functions, outermost first: what was inlined comes after the function it was inlined into. */
export type FrameChain = readonly ResolvedFrame[];

/** Ids of one query; 5,000 make about 120 kB of parameters. */
const CHUNK = 5000;

/**
 * Names of frames, joined when asked. Frames with a name stay in a bounded cache, since a frame id never changes
 * its meaning; frames without one are asked again, because symbols may arrive later.
 * Ids are decimal strings, as the store answers them.
 */
export class FrameNames {
  private readonly cache: Lru<string, FrameChain>;

  constructor(
    private readonly db: Db,
    capacity = 500_000,
  ) {
    this.cache = new Lru(capacity);
  }

  /** A chain for every id; one that the store does not know yet is named by its id. */
  async resolve(ids: Iterable<string>, options: AskOptions = {}): Promise<Map<string, FrameChain>> {
    const result = new Map<string, FrameChain>();
    const missing: string[] = [];
    for (const id of new Set(ids)) {
      const cached = this.cache.get(id);
      if (cached) result.set(id, cached);
      else missing.push(id);
    }
    for (const chunk of chunks(missing, CHUNK)) await this.load(chunk, result, options);
    return result;
  }

  private async load(ids: readonly string[], into: Map<string, FrameChain>, options: AskOptions): Promise<void> {
    const params = { ids: `[${ids.join(',')}]` };
    const symbols = await this.db.ask(
      `SELECT frame, quality, functions, files, lines FROM symbols
WHERE frame IN {ids:Array(UInt64)} AND quality > 0 ORDER BY quality DESC LIMIT 1 BY frame`,
      params,
      options,
    );
    const named = new Map(symbols.rows.map((row) => [String(row[0]), row]));
    const frames = await this.db.ask(
      `SELECT frame, kind, address, function, file, line, mapping FROM frames WHERE frame IN {ids:Array(UInt64)} LIMIT 1 BY frame`,
      params,
      options,
    );
    for (const row of frames.rows) {
      const id = String(row[0]);
      const symbol = named.get(id);
      const chain = symbol ? symbolChain(row, symbol) : null;
      if (chain) {
        this.cache.set(id, chain);
        into.set(id, chain);
        continue;
      }
      const own = ownName(row);
      if (own.final) this.cache.set(id, own.chain);
      into.set(id, own.chain);
    }
    for (const id of ids) if (!into.has(id)) into.set(id, [unknownFrame(id)]);
  }
}

export function* chunks<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Rows: frame, kind, address, function, file, line, mapping; frame, quality, functions, files, lines. */
function symbolChain(frame: readonly unknown[], symbol: readonly unknown[]): FrameChain | null {
  const [functions, files, lines] = [symbol[2], symbol[3], symbol[4]] as [string[], string[], number[]];
  if (functions.length === 0) return null;
  const [kind, module] = [String(frame[1]), baseName(String(frame[6]))];
  return functions
    .map((name, i) => ({
      name: name || '[unknown]',
      file: files[i] ?? '',
      line: Number(lines[i] ?? 0),
      module,
      kind,
      inlined: i < functions.length - 1,
    }))
    .reverse();
}

/** A frame named at the node, or the best that can be said of one without symbols. */
function ownName(row: readonly unknown[]): { chain: FrameChain; final: boolean } {
  const [, kind, address, name, file, line, mapping] = row as [string, string, string, string, string, number, string];
  const module = baseName(mapping);
  const rest = { file, line: Number(line), module, kind, inlined: false };
  if (name !== '') return { chain: [{ name, ...rest }], final: true };
  const at = BigInt(address);
  if (at === 0n) return { chain: [{ name: `[${module || 'unknown'}]`, ...rest }], final: false };
  return { chain: [{ name: `${module || '[unknown]'}+0x${at.toString(16)}`, ...rest }], final: false };
}

function unknownFrame(id: string): ResolvedFrame {
  return {
    name: `[frame ${BigInt(id).toString(16).padStart(16, '0')}]`,
    file: '',
    line: 0,
    module: '',
    kind: 'native',
    inlined: false,
  };
}
