import { compileSelector, type Selector } from '@perfleet/selector';
import type { TimeRange } from '../http/time.ts';

export interface SqlText {
  readonly sql: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export const inRange = "time >= toDateTime({from:UInt32}, 'UTC') AND time < toDateTime({until:UInt32}, 'UTC')";

/** Types and units of the series that a selector matches, whatever the time. */
export function typesSql(selector: Selector): SqlText {
  const { where, params } = compileSelector(selector);
  return { sql: `SELECT type, unit FROM series WHERE ${where} GROUP BY type, unit ORDER BY type LIMIT 100`, params };
}

/**
 * Columns: process (UInt64, XXH64 of its name), stack, value; largest first. Ids only: names are joined after the grouping.
 * The join stands below the grouping, since the pairs of series and stack are many times those of process and stack.
 * A series row may stand several times until it is merged, so its process is taken once per id.
 */
export function stacksSql(selector: Selector, range: TimeRange, limit: number): SqlText {
  const { where, params } = compileSelector(selector);
  return {
    sql: `SELECT process_hash AS process, stack, sum(value) AS value FROM samples
INNER JOIN (SELECT series, any(xxHash64(process)) AS process_hash FROM series WHERE ${where} GROUP BY series) AS l USING (series)
WHERE ${inRange} AND series IN (SELECT series FROM series WHERE ${where})
GROUP BY process_hash, stack ORDER BY value DESC, stack, process LIMIT ${limit}`,
    params: { ...params, ...range },
  };
}

/** Column: process (String). All names that \`stacksSql\` of the selector can stand for. */
export function processesSql(selector: Selector): SqlText {
  const { where, params } = compileSelector(selector);
  return { sql: `SELECT DISTINCT CAST(process AS String) AS process FROM series WHERE ${where}`, params };
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
 * Columns: start of the step (Unix seconds), label's value, sum of the value. The `limit` largest label values have a line of
 * their own and come first, largest first; the others add up under `rest`.
 */
export function stepsSql(
  label: SqlText,
  selector: Selector,
  range: TimeRange,
  step: number,
  limit: number,
  rest: string,
): SqlText {
  const { where, params } = compileSelector(selector);
  return {
    sql: `SELECT t, if(place <= ${limit}, name, {rest:String}) AS label, sum(v) AS value FROM (
  SELECT name, times, sums, row_number() OVER (ORDER BY total DESC, name) AS place FROM (
    SELECT name, groupArray(t) AS times, groupArray(v) AS sums, sum(v) AS total FROM (
      SELECT name, t, sum(v) AS v FROM (
        SELECT series, intDiv(toUnixTimestamp(time), {step:UInt32}) * {step:UInt32} AS t, sum(value) AS v FROM samples
        WHERE ${inRange} AND series IN (SELECT series FROM series WHERE ${where})
        GROUP BY series, t
      ) AS s INNER JOIN (SELECT series, any(${label.sql}) AS name FROM series WHERE ${where} GROUP BY series) AS l USING (series)
      GROUP BY name, t
    ) GROUP BY name
  )
) ARRAY JOIN times AS t, sums AS v
GROUP BY label, t ORDER BY min(least(place, ${limit + 1})), t`,
    params: { ...params, ...label.params, ...range, step, rest },
  };
}
