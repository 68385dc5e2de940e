import { compileSelector, type Selector } from '@perfleet/selector';
import type { TimeRange } from '../http/time.ts';

export interface SqlText {
  readonly sql: string;
  readonly params: Readonly<Record<string, unknown>>;
}

const inRange = "time >= toDateTime({from:UInt32}, 'UTC') AND time < toDateTime({until:UInt32}, 'UTC')";

/** Types and units of the series that a selector matches, whatever the time. */
export function typesSql(selector: Selector): SqlText {
  const { where, params } = compileSelector(selector);
  return { sql: `SELECT type, unit FROM series WHERE ${where} GROUP BY type, unit ORDER BY type LIMIT 100`, params };
}

/**
 * Columns: process_name, stack, value (UInt64). Ids only: names are joined after the grouping.
 * A series row may stand several times until it is merged, so its labels are taken once per id. Aliases differ from
 * the columns of `series`, since an alias would take the column's place in the condition.
 */
export function stacksSql(selector: Selector, range: TimeRange, limit: number): SqlText {
  const { where, params } = compileSelector(selector);
  return {
    sql: `SELECT process_name, stack, sum(v) AS value FROM (
  SELECT series, stack, sum(value) AS v FROM samples
  WHERE ${inRange} AND series IN (SELECT series FROM series WHERE ${where})
  GROUP BY series, stack
) AS s INNER JOIN (SELECT series, any(CAST(process AS String)) AS process_name FROM series WHERE ${where} GROUP BY series) AS l USING (series)
GROUP BY process_name, stack ORDER BY value DESC LIMIT ${limit}`,
    params: { ...params, ...range },
  };
}

/** Every stack of a selection: a subquery, so that many ids need not travel. */
export function stackIdsSql(selector: Selector, range: TimeRange): SqlText {
  const { where, params } = compileSelector(selector);
  return {
    sql: `SELECT stack FROM samples WHERE ${inRange} AND series IN (SELECT series FROM series WHERE ${where})`,
    params: { ...params, ...range },
  };
}

/** Columns: label's value, total; largest first. @param label SQL expression over `series` */
export function labelTotalsSql(label: SqlText, selector: Selector, range: TimeRange, limit: number): SqlText {
  const { where, params } = compileSelector(selector);
  return {
    sql: `SELECT label, sum(v) AS total FROM (
  SELECT series, sum(value) AS v FROM samples
  WHERE ${inRange} AND series IN (SELECT series FROM series WHERE ${where})
  GROUP BY series
) AS s INNER JOIN (SELECT series, any(${label.sql}) AS label FROM series WHERE ${where} GROUP BY series) AS l USING (series)
GROUP BY label ORDER BY total DESC, label LIMIT ${limit}`,
    params: { ...params, ...label.params, ...range },
  };
}

/**
 * Columns: start of the step (Unix seconds), label's value, sum of the value.
 * @param shown label values that have a line of their own; the others add up under `rest`
 */
export function stepsSql(
  label: SqlText,
  selector: Selector,
  range: TimeRange,
  step: number,
  shown: readonly string[],
  rest: string,
): SqlText {
  const { where, params } = compileSelector(selector);
  return {
    sql: `SELECT t, label, sum(v) AS value FROM (
  SELECT series, intDiv(toUnixTimestamp(time), {step:UInt32}) * {step:UInt32} AS t, sum(value) AS v FROM samples
  WHERE ${inRange} AND series IN (SELECT series FROM series WHERE ${where})
  GROUP BY series, t
) AS s INNER JOIN (
  SELECT series, if(has({shown:Array(String)}, name), name, {rest:String}) AS label
  FROM (SELECT series, any(${label.sql}) AS name FROM series WHERE ${where} GROUP BY series)
) AS l USING (series)
GROUP BY t, label ORDER BY t`,
    params: { ...params, ...label.params, ...range, step, shown, rest },
  };
}
