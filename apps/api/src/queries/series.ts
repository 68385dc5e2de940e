import type { SeriesResponse } from '@perfleet/api-contract';
import { ROLL_UPS } from '@perfleet/clickhouse';
import type { Selector } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from './db.ts';
import { stepsSql, type SqlText } from './samples.ts';

export const MAX_POINTS = 11_000;
/** Points when the request states no step. */
const DEFAULT_POINTS = 300;
/** Seconds of the finest roll-up. */
const ROLLED_UP = ROLL_UPS[0].seconds;
/** The line of what has none of its own. */
export const REST = '(other)';

/**
 * A step that gives about 300 points, 1 s at least. From some minutes on it is a multiple of ten: sums of whole roll-ups read a small
 * part of the rows, and a third of the points is left at worst.
 */
export function defaultStep({ from, until }: TimeRange): number {
  const step = Math.max(1, Math.ceil((until - from) / DEFAULT_POINTS));
  return step * 3 < ROLLED_UP ? step : Math.ceil(step / ROLLED_UP) * ROLLED_UP;
}

/** Steps that cover a range. @throws ApiError 400 when they are too many for an answer */
export function stepsOf(range: TimeRange, step: number) {
  const first = Math.floor(range.from / step) * step;
  const count = Math.ceil((range.until - first) / step);
  if (count > MAX_POINTS) throw badRequest(`more than ${MAX_POINTS} points; choose a larger step`);
  return { first, count, times: Array.from({ length: count }, (_, i) => (first + i * step) * 1000) };
}

/**
 * The value per step, summed over all series or per value of a label. Of a label's values the `limit` largest have
 * a line of their own and the rest share `(other)`, so that the lines always add up to the total.
 */
export async function queryTimeSeries(
  db: Db,
  request: { selector: Selector; range: TimeRange; step: number; by: string | undefined; limit: number; unit: string },
  options: AskOptions,
): Promise<SeriesResponse> {
  const { selector, range, step, by, limit, unit } = request;
  const { first, count, times } = stepsOf(range, step);

  const steps = await db.ask(...args(stepsSql(by, selector, range, step, limit, REST)), options);
  const lines = new Map<string, number[]>();
  for (const [t, name, value] of steps.rows) {
    const key = String(name);
    let values = lines.get(key);
    if (!values) lines.set(key, (values = new Array<number>(count).fill(0)));
    values[(Number(t) - first) / step] = Number(value);
  }
  const series = [...lines].map(([name, values]) => ({ labels: by === undefined ? {} : { [by]: name }, values }));
  return { unit, step, times, series };
}

export const args = ({ sql, params }: SqlText) => [sql, params] as const;
