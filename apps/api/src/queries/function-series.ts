import type { SeriesResponse } from '@perfleet/api-contract';
import { u64 } from '@perfleet/clickhouse';
import { namesOf } from '@perfleet/profile';
import type { Selector } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from './db.ts';
import type { ProfileCache } from './profile-cache.ts';
import { stackIdsSql, stepStacksSql } from './samples.ts';
import { args, REST, stepsOf } from './series.ts';
import { nameStacks, numbers } from './stack-set.ts';

/** In place of a label. */
export const BY_FUNCTION = 'function';
/** Pairs of step and stack that are read at once: 24 MB. */
const MAX_PAIRS = 1_000_000;
const NOT_STORED = '[stack not stored]';

/**
 * The self value of functions per step. Functions of one name have one line; the `limit` largest have one of their own and the rest
 * share `(other)`, so that the lines always add up to the total.
 */
export async function queryFunctionSeries(
  db: Db,
  cache: ProfileCache,
  request: { selector: Selector; range: TimeRange; step: number; limit: number; unit: string },
  options: AskOptions,
  maxPairs = MAX_PAIRS,
): Promise<SeriesResponse> {
  const { selector, range, step, limit, unit } = request;
  const { first, count, times } = stepsOf(range, step);
  const pairs = await db.native(...args(stepStacksSql(selector, range, step, maxPairs + 1)), options);
  if (pairs.rows > maxPairs)
    throw badRequest(`more than ${maxPairs} pairs of step and stack; choose a larger step or a narrower selector`);
  const ids = u64(pairs, 'stack');
  const unique = BigUint64Array.from(new Set(ids));
  const rows = await nameStacks(db, cache, unique, stackIdsSql(selector, range), options);
  const functions = new Map(Array.from(unique, (id, i) => [id, leafOf(cache, rows[i]!)]));

  const starts = numbers(u64(pairs, 't'));
  const values = numbers(u64(pairs, 'value'));
  const lines = new Map<string, { total: number; values: number[] }>();
  values.forEach((value, i) => {
    const name = functions.get(ids[i]!)!;
    let line = lines.get(name);
    if (!line) lines.set(name, (line = { total: 0, values: new Array<number>(count).fill(0) }));
    line.total += value;
    line.values[(starts[i]! - first) / step]! += value;
  });
  const largest = [...lines].sort(([a, x], [b, y]) => y.total - x.total || (a < b ? -1 : 1));
  const shown = largest.slice(0, limit).map(([name, line]) => [name, line.values] as const);
  const others = largest.slice(limit).map(([, line]) => line.values);
  const rest =
    others.length === 0 ? [] : [[REST, times.map((_, t) => others.reduce((sum, of) => sum + of[t]!, 0))] as const];
  const series = [...shown, ...rest].map(([name, of]) => ({ labels: { [BY_FUNCTION]: name }, values: of }));
  return { unit, step, times, series };
}

/** The innermost function of a stack, inlined ones included. */
function leafOf(cache: ProfileCache, stack: number): string {
  if (stack < 0) return NOT_STORED;
  const frames = new Uint32Array(cache.depth(stack));
  if (frames.length === 0) return NOT_STORED;
  cache.write(stack, frames, 0);
  const columns = cache.frames.columns();
  return namesOf(columns.functions, columns.function[frames.at(-1)!]!).name;
}
