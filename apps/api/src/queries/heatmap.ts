import type { HeatmapResponse } from '@perfleet/api-contract';
import { u32, u64 } from '@perfleet/clickhouse';
import { selectedDerivedType, SERIES_LABELS, type Selector } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from './db.ts';
import { labelSql, type SqlText } from './samples.ts';
import { args } from './series.ts';
import { sourceOf } from './sources.ts';
import { valueType } from './stack-set.ts';

export const MAX_HEATMAP_STEPS = 1000;
export const MAX_BUCKETS = 100;
/** Steps when the request states none. */
const DEFAULT_STEPS = 120;

const ALL_BUT_TYPE = [...SERIES_LABELS.filter((label) => label !== 'type'), 'toString(labels)'].join(', ');

export interface HeatmapRequest {
  readonly selector: Selector;
  readonly range: TimeRange;
  readonly step: number;
  readonly buckets: number;
  readonly by: string | undefined;
}

export function defaultHeatmapStep({ from, until }: TimeRange): number {
  return Math.max(1, Math.ceil((until - from) / DEFAULT_STEPS));
}

/**
 * Columns: t (UInt32, start of the step), bucket (UInt32), count, value, most (UInt64, the largest value of one thing in one
 * step). Buckets are of equal width from 0 to `most`, which falls into the last one.
 * One count is a value of the label `by`; without one it is a series.
 */
export function heatmapSql({ selector, range, step, buckets, by }: HeatmapRequest): SqlText {
  // A pod's id is a label that no roll-up has: without a label every series counts.
  const need = { step, labels: [by ?? 'pod_uid'] };
  const { samples, table, key, where, params } = sourceOf(selector, range, need);
  // The parts of a derived type are series of their own, of one thing.
  const series = selectedDerivedType(selector) ? `cityHash64(${ALL_BUT_TYPE})` : key;
  const thing: SqlText = by === undefined ? { sql: series, params: {} } : labelSql(by);
  return {
    sql: `SELECT t, toUInt32(least(${buckets - 1}, intDiv(v * ${buckets}, peak))) AS bucket, count() AS count, sum(v) AS value, any(peak) AS most
FROM (
  SELECT t, v, max(v) OVER () AS peak FROM (
    SELECT name, t, sum(v) AS v FROM (
      SELECT key, toUInt32(intDiv(toUnixTimestamp(time), {step:UInt32}) * {step:UInt32}) AS t, sum(value) AS v FROM ${samples}
      GROUP BY key, t
    ) AS s INNER JOIN (SELECT ${key} AS key, any(${thing.sql}) AS name FROM ${table} WHERE ${where} GROUP BY key) AS l USING (key)
    GROUP BY name, t
  ) WHERE v > 0
) GROUP BY t, bucket ORDER BY t, bucket`,
    params: { ...params, ...thing.params, step },
  };
}

/** @throws ApiError 400 for more steps than an answer may have */
export async function queryHeatmap(db: Db, request: HeatmapRequest, options: AskOptions): Promise<HeatmapResponse> {
  const { selector, range, step, buckets } = request;
  const first = Math.floor(range.from / step) * step;
  const steps = Math.ceil((range.until - first) / step);
  if (steps > MAX_HEATMAP_STEPS) throw badRequest(`more than ${MAX_HEATMAP_STEPS} steps; choose a larger step`);
  const { type, unit } = await valueType(db, selector, options);
  const found = await db.native(...args(heatmapSql(request)), options);

  // Nanoseconds a second.
  const cores = unit === 'nanoseconds';
  const most = found.rows === 0 ? 0 : Number(u64(found, 'most')[0]) / step / (cores ? 1e9 : 1);
  const value = Array.from(u64(found, 'value'), Number);
  return {
    type,
    unit,
    rateUnit: cores ? (type === 'cpu' ? 'cores' : 'threads') : `${unit || 'value'}/s`,
    step,
    times: Array.from({ length: steps }, (_, i) => (first + i * step) * 1000),
    bounds: Array.from({ length: buckets + 1 }, (_, i) => (most * i) / buckets),
    total: value.reduce((sum, v) => sum + v, 0),
    cells: {
      time: Array.from(u32(found, 't'), (t) => (t - first) / step),
      bucket: Array.from(u32(found, 'bucket')),
      count: Array.from(u64(found, 'count'), Number),
      value,
    },
  };
}
