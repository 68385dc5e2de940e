import { isLinkLabel, labelExpression, type Selector } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import { labelsOf, sourceOf } from './sources.ts';

export interface SqlText {
  readonly sql: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** A label's value over a table of labels; without a label the same for all. @throws ApiError 400 when it is none */
export function labelSql(label: string | undefined): SqlText {
  if (label === undefined) return { sql: "''", params: {} };
  if (isLinkLabel(label))
    throw badRequest(
      `${label} selects samples and is no label that they can be split by; the SQL view spans has it in its rows`,
    );
  const { where, params } = labelExpression(label, 'label');
  return { sql: where, params };
}

/** Types and units of the series that a selector matches, whatever the time. */
export function typesSql(selector: Selector): SqlText {
  const { table, where, params } = labelsOf(selector);
  return { sql: `SELECT type, unit FROM ${table} WHERE ${where} GROUP BY type, unit ORDER BY type LIMIT 100`, params };
}

/**
 * Columns: process (UInt64, XXH64 of its name), stack, value; largest first. Ids only: names are joined after the grouping.
 * Rows of roll-ups are grouped before the join, since a workload's stacks come again in every bucket; series are joined first, since
 * their stacks hardly do and are many times those of a process.
 * A row of labels may stand several times until it is merged, so its process is taken once per id.
 */
export function stacksSql(selector: Selector, range: TimeRange, limit: number): SqlText {
  const { samples, table, key, where, params } = sourceOf(selector, range, { labels: ['process'] });
  const rows =
    key === 'workload' ? `(SELECT key, stack, sum(value) AS value FROM ${samples} GROUP BY key, stack)` : samples;
  return {
    sql: `SELECT process_hash AS process, stack, sum(value) AS value FROM ${rows} AS s
INNER JOIN (SELECT ${key} AS key, any(xxHash64(process)) AS process_hash FROM ${table} WHERE ${where} GROUP BY key) AS l USING (key)
GROUP BY process_hash, stack ORDER BY value DESC, stack, process LIMIT ${limit}`,
    params,
  };
}

/** Column: process (String). All names that `stacksSql` of the selector can stand for. */
export function processesSql(selector: Selector): SqlText {
  const { table, where, params } = labelsOf(selector);
  return { sql: `SELECT DISTINCT CAST(process AS String) AS process FROM ${table} WHERE ${where}`, params };
}

/** Columns: start of the step (UInt64, Unix seconds), stack, value. Ids only, as `stacksSql`. */
export function stepStacksSql(selector: Selector, range: TimeRange, step: number, limit: number): SqlText {
  const { samples, params } = sourceOf(selector, range, { step });
  return {
    sql: `SELECT toUInt64(intDiv(toUnixTimestamp(time), {step:UInt32}) * {step:UInt32}) AS t, stack, sum(value) AS value
FROM ${samples} GROUP BY t, stack LIMIT ${limit}`,
    params: { ...params, step },
  };
}

/** Column: stack. Each of a selection once. */
export function distinctStacksSql(selector: Selector, range: TimeRange, limit: number): SqlText {
  const { samples, params } = sourceOf(selector, range);
  return { sql: `SELECT DISTINCT stack FROM ${samples} LIMIT ${limit}`, params };
}

/**
 * Columns: start of the step (Unix seconds), sum of the chosen stacks, sum of those of them that are `leaves`.
 * @param chosen null = all
 */
export function functionStepsSql(
  selector: Selector,
  range: TimeRange,
  step: number,
  chosen: BigUint64Array | null,
  leaves: BigUint64Array,
): SqlText {
  const { samples, params } = sourceOf(selector, range, { step });
  return {
    sql: `SELECT intDiv(toUnixTimestamp(time), {step:UInt32}) * {step:UInt32} AS t, sum(value) AS total, sumIf(value, stack IN ${idSet(leaves)}) AS self
FROM ${samples} ${chosen ? `WHERE stack IN ${idSet(chosen)}` : ''} GROUP BY t`,
    params: { ...params, step },
  };
}

/** Ids of a condition `… IN ids`, any number of them: one literal of eleven characters an id, which the engine parses as one. */
function idSet(ids: BigUint64Array): string {
  const packed = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength).toString('base64');
  return `(SELECT arrayJoin(reinterpret(base64Decode('${packed}'), 'Array(UInt64)')))`;
}

/** Every stack of a selection: a subquery that ends with a condition, so that many ids need not travel. */
export function stackIdsSql(selector: Selector, range: TimeRange): SqlText {
  const { samples, params } = sourceOf(selector, range);
  return { sql: `SELECT stack FROM ${samples} WHERE 1`, params };
}

/** Columns: label's value, total; largest first. */
export function labelTotalsSql(by: string, selector: Selector, range: TimeRange, limit: number): SqlText {
  const label = labelSql(by);
  const { samples, table, key, where, params } = sourceOf(selector, range, { labels: [by] });
  return {
    sql: `SELECT label, sum(v) AS total FROM (
  SELECT key, sum(value) AS v FROM ${samples} GROUP BY key
) AS s INNER JOIN (SELECT ${key} AS key, any(${label.sql}) AS label FROM ${table} WHERE ${where} GROUP BY key) AS l USING (key)
GROUP BY label ORDER BY total DESC, label LIMIT ${limit}`,
    params: { ...params, ...label.params },
  };
}

/**
 * Columns: start of the step (Unix seconds), label's value, sum of the value. The `limit` largest label values have a line of
 * their own and come first, largest first; the others add up under `rest`.
 */
export function stepsSql(
  by: string | undefined,
  selector: Selector,
  range: TimeRange,
  step: number,
  limit: number,
  rest: string,
): SqlText {
  const label = labelSql(by);
  const need = { step, labels: by === undefined ? [] : [by] };
  const { samples, table, key, where, params } = sourceOf(selector, range, need);
  return {
    sql: `SELECT t, if(place <= ${limit}, name, {rest:String}) AS label, sum(v) AS value FROM (
  SELECT name, times, sums, row_number() OVER (ORDER BY total DESC, name) AS place FROM (
    SELECT name, groupArray(t) AS times, groupArray(v) AS sums, sum(v) AS total FROM (
      SELECT name, t, sum(v) AS v FROM (
        SELECT key, intDiv(toUnixTimestamp(time), {step:UInt32}) * {step:UInt32} AS t, sum(value) AS v FROM ${samples}
        GROUP BY key, t
      ) AS s INNER JOIN (SELECT ${key} AS key, any(${label.sql}) AS name FROM ${table} WHERE ${where} GROUP BY key) AS l USING (key)
      GROUP BY name, t
    ) GROUP BY name
  )
) ARRAY JOIN times AS t, sums AS v
GROUP BY label, t ORDER BY min(least(place, ${limit + 1})), t`,
    params: { ...params, ...label.params, step, rest },
  };
}
