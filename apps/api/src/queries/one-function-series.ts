import type { SeriesResponse } from '@perfleet/api-contract';
import { u64 } from '@perfleet/clickhouse';
import type { Selector } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from './db.ts';
import type { ProfileCache } from './profile-cache.ts';
import { distinctStacksSql, functionStepsSql, stackIdsSql } from './samples.ts';
import { args, stepsOf } from './series.ts';
import { MAX_STACKS, nameStacks } from './stack-set.ts';

/**
 * Two lines: what stacks with the function had per step (`total`), and what it had itself (`self`). Functions of one name are one,
 * whatever their file and module; a recursive one counts once a stack.
 *
 * Which stacks hold it is known here, where names are; the store adds up those alone, so that neither stacks nor names of every step
 * travel.
 */
export async function queryOneFunctionSeries(
  db: Db,
  cache: ProfileCache,
  request: { selector: Selector; range: TimeRange; step: number; function: string; unit: string },
  options: AskOptions,
  maxStacks = MAX_STACKS,
): Promise<SeriesResponse> {
  const { selector, range, step, unit } = request;
  const { first, count, times } = stepsOf(range, step);
  const distinct = await db.native(...args(distinctStacksSql(selector, range, maxStacks + 1)), options);
  if (distinct.rows > maxStacks)
    throw badRequest(`more than ${maxStacks} distinct stacks; choose a shorter range or a narrower selector`);
  const ids = u64(distinct, 'stack');
  const rows = await nameStacks(db, cache, ids, stackIdsSql(selector, range), options);
  const { holding, leaves } = stacksWith(cache, rows, request.function);
  const [total, self] = [new Array<number>(count).fill(0), new Array<number>(count).fill(0)];
  if (holding.length > 0) {
    const of = (chosen: readonly number[]) => BigUint64Array.from(chosen, (i) => ids[i]!);
    // Every one of them, as of `main`: nothing to choose.
    const chosen = holding.length === ids.length ? null : of(holding);
    const sums = await db.ask(...args(functionStepsSql(selector, range, step, chosen, of(leaves))), options);
    for (const [t, all, own] of sums.rows) {
      const at = (Number(t) - first) / step;
      total[at] = Number(all);
      self[at] = Number(own);
    }
  }
  const line = (value: string, values: number[]) => ({ labels: { function: request.function, value }, values });
  return { unit, step, times, series: [line('total', total), line('self', self)] };
}

/** Places of the stacks that hold a function, and of those whose innermost frame it is. */
function stacksWith(cache: ProfileCache, rows: Int32Array, name: string) {
  const { function: fn, functions } = cache.frames.columns();
  const named = Uint8Array.from(functions.name, (at) => (functions.strings[at] === name ? 1 : 0));
  const isNamed = (frame: number) => named[fn[frame]!] === 1;
  const [holding, leaves]: [number[], number[]] = [[], []];
  rows.forEach((row, i) => {
    if (row < 0) return;
    const frames = new Uint32Array(cache.depth(row));
    cache.write(row, frames, 0);
    if (!frames.some(isNamed)) return;
    holding.push(i);
    if (isNamed(frames.at(-1)!)) leaves.push(i);
  });
  return { holding, leaves };
}
