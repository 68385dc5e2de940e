import { arrays, u64 } from '@perfleet/clickhouse';
import { halvesOf, xxh64 } from '@perfleet/ids';
import { OTHER, type FrameColumns, type StackColumns } from '@perfleet/profile';
import { selectedDerivedType, type Selector } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from './db.ts';
import { idList, MAX_ID_PARAMS, nameFrames } from './names.ts';
import type { ProfileCache } from './profile-cache.ts';
import { labelTotalsSql, processesSql, stackIdsSql, stacksSql, typesSql, type SqlText } from './samples.ts';
import { args } from './series.ts';

/** Distinct (process, stack) pairs of one answer, the largest; the value of the others is kept per process. */
export const MAX_STACKS = 1_000_000;
const MAX_PROCESSES = 1_000_000;
/** Stacks whose frames are read at once: about 60 MB at 28 frames. */
const STACKS_AT_ONCE = 250_000;

/** The kind of a stack's first frame: the process, which is no function. */
export const PROCESS_KIND = 'process';

/** A value type that all matched series share. */
export interface ValueType {
  readonly type: string;
  readonly unit: string;
}

export interface StackSet extends ValueType {
  /** The first frame of each is the process. Largest first. */
  readonly stacks: StackColumns;
  /** Rows of `stacks` so that those that share callers are neighbours. */
  readonly order: () => Uint32Array;
  readonly frames: FrameColumns;
  /** Sum of all values: every sample of the range, whether or not its frames have names. */
  readonly total: number;
}

/** Values of different types do not add up, so a selector must come down to one, or to one that is derived from them. */
export async function valueType(db: Db, selector: Selector, options: AskOptions): Promise<ValueType> {
  const { rows } = await db.ask(...args(typesSql(selector)), options);
  const types = rows.map(([type, unit]) => ({ type: String(type), unit: String(unit) }));
  const derived = selectedDerivedType(selector);
  if (derived) return { type: derived.type, unit: types.length > 0 ? derived.unit : '' };
  if (types.length > 1) {
    const names = types.map(({ type }) => type).join(', ');
    throw badRequest(
      `the selector matches several profile types (${names}); put one in front of it, e.g. ${types[0]?.type}{…}`,
      0,
    );
  }
  return types[0] ?? { type: selector.type, unit: '' };
}

/** The samples of a selector and range, grouped by stack in the store, then named. */
export async function loadStacks(
  db: Db,
  cache: ProfileCache,
  selector: Selector,
  range: TimeRange,
  options: AskOptions,
  maxStacks = MAX_STACKS,
): Promise<StackSet> {
  const type = await valueType(db, selector, options);
  const grouped = await db.native(...args(stacksSql(selector, range, maxStacks + 1)), options);
  const ids = u64(grouped, 'stack').subarray(0, maxStacks);
  const stacks = await nameStacks(db, cache, ids, stackIdsSql(selector, range), options);

  const names = await loadProcesses(db, selector, options);
  const processes = Array.from(u64(grouped, 'process').subarray(0, maxStacks), (hash) => names.get(hash) ?? '');
  const values = numbers(u64(grouped, 'value').subarray(0, maxStacks));
  const rest: (readonly [process: string, value: number])[] = [];
  if (grouped.rows > maxStacks) {
    const totals = await db.ask(...args(labelTotalsSql('process', selector, range, MAX_PROCESSES)), options);
    rest.push(...restOf(processes, values, totals.rows));
  }
  const columns = toColumns(cache, stacks, processes, values, rest);
  const total = columns.values.reduce((sum, value) => sum + value, 0);
  const order = () => inOrder(cache, stacks, columns);
  return { ...type, stacks: columns, order, frames: cache.frames.columns(), total };
}

/**
 * Rows of the cache that hold the stacks with their frames and names; -1 = the store does not have it (yet).
 * @param allStacks holds them all, and may hold more
 */
export async function nameStacks(
  db: Db,
  cache: ProfileCache,
  ids: BigUint64Array,
  allStacks: SqlText,
  options: AskOptions,
): Promise<Int32Array> {
  await loadFrames(db, cache, ids, allStacks, options);
  const halves = halvesOf(ids);
  const stacks = Int32Array.from(ids, (_, i) => cache.stack(halves[i * 2]!, halves[i * 2 + 1]!));
  await nameFrames(db, cache, stacks, allStacks, options);
  return stacks;
}

/** Process names by the hash that the grouping uses. Asked after it, so that none of its series is missing. */
async function loadProcesses(db: Db, selector: Selector, options: AskOptions): Promise<Map<bigint, string>> {
  const { rows } = await db.ask(...args(processesSql(selector)), options);
  const encoder = new TextEncoder();
  return new Map(rows.map(([name]) => [xxh64(encoder.encode(String(name))), String(name)]));
}

/** Puts the frames of stacks into the cache; those that the store does not have (yet) stay out. */
async function loadFrames(db: Db, cache: ProfileCache, ids: BigUint64Array, allStacks: SqlText, options: AskOptions) {
  const halves = halvesOf(ids);
  const missing: bigint[] = [];
  for (let i = 0; i < ids.length; i++) if (cache.stack(halves[i * 2]!, halves[i * 2 + 1]!) < 0) missing.push(ids[i]!);
  if (missing.length === 0) return;
  const load = async (condition: string, params: SqlText['params']) => {
    const sql = `SELECT stack, frames FROM stacks WHERE ${condition} LIMIT 1 BY stack`;
    const found = await db.native(sql, params, options);
    const stacks = halvesOf(u64(found, 'stack'));
    const { offsets, values } = arrays<BigUint64Array>(found, 'frames');
    const frames = values instanceof BigUint64Array ? halvesOf(values) : new Uint32Array(0);
    for (let i = 0; i < found.rows; i++)
      cache.addStack(stacks[i * 2]!, stacks[i * 2 + 1]!, frames, offsets[i]!, offsets[i + 1]!);
  };
  if (missing.length <= MAX_ID_PARAMS) {
    const { sql, params } = idList(missing);
    return load(`stack IN ${sql}`, params);
  }
  // Ids are hashes: their low bits cut the stacks into equal slices.
  const slices = 2 ** Math.ceil(Math.log2(Math.max(1, missing.length / STACKS_AT_ONCE)));
  for (let slice = 0; slice < slices; slice++) {
    const sliced = slices === 1 ? '' : ` AND bitAnd(stack, ${slices - 1}) = ${slice}`;
    await load(`stack IN (${allStacks.sql}${sliced})`, allStacks.params);
  }
}

/** What the stacks that are not shown hold, per process. */
function restOf(processes: readonly string[], values: Float64Array, totals: readonly (readonly unknown[])[]) {
  const shown = new Map<string, number>();
  values.forEach((value, i) => shown.set(processes[i]!, (shown.get(processes[i]!) ?? 0) + value));
  return totals
    .map(([process, total]) => [String(process), Number(total) - (shown.get(String(process)) ?? 0)] as const)
    .filter(([, value]) => value > 0);
}

function toColumns(
  cache: ProfileCache,
  stacks: Int32Array,
  processes: readonly string[],
  values: Float64Array,
  rest: readonly (readonly [process: string, value: number])[],
): StackColumns {
  const own = (name: string, kind: string) =>
    cache.frames.add({ name, file: '', line: 0, module: '', kind, inlined: false });
  const processFrames = new Map<string, number>();
  const processFrame = (process: string) => {
    let frame = processFrames.get(process);
    if (frame === undefined) processFrames.set(process, (frame = own(process || '[unknown process]', PROCESS_KIND)));
    return frame;
  };
  // A sample whose stack's row is not there (yet): its value still counts.
  const notStored = own('[stack not stored]', 'native');
  const rows = stacks.length + rest.length;
  const offsets = new Uint32Array(rows + 1);
  for (let row = 0; row < rows; row++) {
    const stack = row < stacks.length ? stacks[row]! : -1;
    offsets[row + 1] = offsets[row]! + 1 + (stack < 0 ? 1 : cache.depth(stack));
  }
  const frames = new Uint32Array(offsets[rows]!);
  for (let row = 0; row < stacks.length; row++) {
    let at = offsets[row]!;
    frames[at++] = processFrame(processes[row]!);
    if (stacks[row]! < 0) frames[at] = notStored;
    else cache.write(stacks[row]!, frames, at);
  }
  const all = new Float64Array(rows);
  all.set(values);
  rest.forEach(([process, value], i) => {
    const row = stacks.length + i;
    frames.set([processFrame(process), own(OTHER, '')], offsets[row]);
    all[row] = value;
  });
  return { offsets, frames, values: all };
}

/**
 * Rows by process (the first frame), and of a process by the order of the stacks' frames: neighbours share callers, which makes a tree of
 * them cheap. Linear: rows are put into the places of their stacks, and then apart by process.
 */
function inOrder(cache: ProfileCache, stacks: Int32Array, { offsets, frames, values }: StackColumns): Uint32Array {
  const rank = cache.rank();
  const rows = values.length;
  /** 1 + the last row at each place, and the row before each that has the same. What has no stack comes last. */
  const at = new Uint32Array(rank.length + 1);
  const before = new Uint32Array(rows);
  const processes = new Map<number, number>();
  for (let row = 0; row < rows; row++) {
    const stack = row < stacks.length ? stacks[row]! : -1;
    const place = stack < 0 ? rank.length : rank[stack]!;
    before[row] = at[place]!;
    at[place] = row + 1;
    const process = frames[offsets[row]!]!;
    processes.set(process, (processes.get(process) ?? 0) + 1);
  }
  /** Where the next row of each process goes. */
  const next = new Map<number, number>();
  let start = 0;
  for (const [process, count] of processes) {
    next.set(process, start);
    start += count;
  }
  const order = new Uint32Array(rows);
  for (const last of at)
    for (let one = last; one > 0; one = before[one - 1]!) {
      const process = frames[offsets[one - 1]!]!;
      const place = next.get(process)!;
      order[place] = one - 1;
      next.set(process, place + 1);
    }
  return order;
}

/** Exact up to 2^53, which is 104 days of CPU time in nanoseconds. */
export function numbers(values: BigUint64Array): Float64Array {
  const halves = halvesOf(values);
  return Float64Array.from(values, (_, i) => halves[i * 2 + 1]! * 2 ** 32 + halves[i * 2]!);
}
