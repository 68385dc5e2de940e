import { arrays, texts, u32, u64 } from '@perfleet/clickhouse';
import { halvesOf } from '@perfleet/ids';
import type { Frame } from '@perfleet/profile';
import type { AskOptions, Db } from './db.ts';
import type { ProfileCache } from './profile-cache.ts';
import type { SqlText } from './samples.ts';

/** Ids that travel as a parameter: about 60 kB of text, which any URL takes. */
export const MAX_ID_PARAMS = 2500;

/** Seconds for which many nameless frames are left alone; few are asked for at every query, so that a page names them at once. */
const ASK_AGAIN = 10;

/** Ids of a condition `… IN ids`, few as a parameter. */
export function idList(ids: readonly bigint[]): SqlText {
  return { sql: '{ids:Array(UInt64)}', params: { ids: `[${ids.join(',')}]` } };
}

/**
 * Gives every frame of the stacks a name in the cache. Names are joined when asked, not stored with samples, so that
 * symbols that come late change no row.
 * @param stacks rows of the cache, -1 = none
 * @param allStacks a subquery that gives the ids of these stacks and maybe more
 */
export async function nameFrames(
  db: Db,
  cache: ProfileCache,
  stacks: Int32Array,
  allStacks: SqlText,
  options: AskOptions,
): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  let rows = cache.nameless(stacks, Infinity);
  if (rows.length === 0) return;
  const few = rows.length <= MAX_ID_PARAMS;
  if (!few) rows = cache.nameless(stacks, now - ASK_AGAIN);
  if (rows.length === 0) return;
  const wanted: SqlText = few
    ? idList(Array.from(rows, (row) => cache.frameId(row)))
    : {
        sql: `(SELECT arrayJoin(frames) FROM stacks WHERE stack IN (${allStacks.sql}))`,
        params: allStacks.params,
      };
  const symbols = await loadSymbols(db, wanted, options);
  const found = await db.native(
    `SELECT frame, CAST(kind AS String) AS kind_text, address, function, file, line, mapping FROM frames
WHERE frame IN ${wanted.sql} LIMIT 1 BY frame`,
    wanted.params,
    options,
  );
  const ids = halvesOf(u64(found, 'frame'));
  const [kinds, names, files, mappings] = ['kind_text', 'function', 'file', 'mapping'].map((c) => texts(found, c));
  const [addresses, lines] = [u64(found, 'address'), u32(found, 'line')];
  for (let i = 0; i < addresses.length; i++) {
    const row = cache.frame(ids[i * 2]!, ids[i * 2 + 1]!);
    if (row < 0) continue;
    const about = { kind: kinds![i]!, module: baseName(mappings![i]!) };
    const chain = symbols(row, cache, about);
    if (chain) cache.name(row, chain, true, now);
    else if (names![i] !== '') {
      const frame = { ...about, name: names![i]!, file: files![i]!, line: lines[i]!, inlined: false };
      cache.name(row, [frame], true, now);
    } else cache.name(row, [rawFrame(about, addresses[i]!)], false, now);
  }
  for (const row of rows) if (!cache.named(row)) cache.name(row, [unknownFrame(cache.frameId(row))], false, now);
}

type ChainOf = (row: number, cache: ProfileCache, about: { kind: string; module: string }) => Frame[] | undefined;

/** The best symbol of each frame. */
async function loadSymbols(db: Db, wanted: SqlText, options: AskOptions): Promise<ChainOf> {
  const found = await db.native(
    `SELECT frame, functions, files, lines FROM symbols
WHERE frame IN ${wanted.sql} AND quality > 0 AND notEmpty(functions) ORDER BY quality DESC LIMIT 1 BY frame`,
    wanted.params,
    options,
  );
  const ids = u64(found, 'frame');
  const functions = arrays<string[]>(found, 'functions');
  const files = arrays<string[]>(found, 'files');
  const lines = arrays<Uint32Array>(found, 'lines');
  const at = new Map<bigint, number>();
  ids.forEach((id, i) => at.set(id, i));
  return (row, cache, about) => {
    const i = at.get(cache.frameId(row));
    return i === undefined ? undefined : chainOf(i, functions, files, lines, about);
  };
}

/** Symbols stand innermost first, a chain outermost first. */
function chainOf(
  row: number,
  functions: { offsets: Uint32Array; values: string[] },
  files: { offsets: Uint32Array; values: string[] },
  lines: { offsets: Uint32Array; values: Uint32Array },
  about: { kind: string; module: string },
): Frame[] {
  const item = <T>({ offsets, values }: { offsets: Uint32Array; values: ArrayLike<T> }, i: number): T | undefined =>
    offsets[row]! + i < offsets[row + 1]! ? values[offsets[row]! + i] : undefined;
  const count = functions.offsets[row + 1]! - functions.offsets[row]!;
  return Array.from({ length: count }, (_, n) => {
    const i = count - 1 - n;
    const [name, file, line] = [item(functions, i), item(files, i), item(lines, i)];
    return { ...about, name: name || '[unknown]', file: file ?? '', line: line ?? 0, inlined: i < count - 1 };
  });
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The best that can be said of a frame without symbols. */
function rawFrame(about: { kind: string; module: string }, address: bigint): Frame {
  const module = about.module || '[unknown]';
  // Mappings without a file bring their brackets: `[anon]`, `[vdso]`.
  const name = address !== 0n ? `${module}+0x${address.toString(16)}` : module.startsWith('[') ? module : `[${module}]`;
  return { ...about, name, file: '', line: 0, inlined: false };
}

function unknownFrame(id: bigint): Frame {
  const name = `[frame ${id.toString(16).padStart(16, '0')}]`;
  return { name, file: '', line: 0, module: '', kind: 'native', inlined: false };
}
