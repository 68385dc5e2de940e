import type { ComparePer, CompareResponse, CompareSide } from '@perfleet/api-contract';
import { compareFunctions } from '@perfleet/profile';
import { compileSelector, formatSelector, type Selector } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from './db.ts';
import type { Selection } from './profile-queries.ts';
import { inRange, type SqlText } from './samples.ts';
import { args } from './series.ts';
import { PROCESS_KIND, type StackSet } from './stack-set.ts';

export interface CompareRequest {
  readonly base: Selection;
  readonly with: Selection;
  readonly per: ComparePer;
  readonly limit: number;
}

/** The series of a selector that have this value of a label. */
export function withLabel(selector: Selector, label: string, value: string): Selector {
  return { ...selector, matchers: [...selector.matchers, { label, op: '=', value }] };
}

/** @throws ApiError 400 when the two sides are of different types, or cannot be compared per pod */
export async function compare(
  db: Db,
  request: CompareRequest,
  load: (of: Selection) => Promise<StackSet>,
  options: AskOptions,
): Promise<CompareResponse> {
  const before = await load(request.base);
  const after = await load(request.with);
  if (before.total > 0 && after.total > 0 && before.type !== after.type)
    throw badRequest(
      `the base is of type ${before.type} and the other side of type ${after.type}; values do not compare`,
    );
  const base = await sideOf(db, request.base, before.total, options);
  const other = await sideOf(db, request.with, after.total, options);
  const scale = scaleOf(request.per, base, other);
  const { limit, per } = request;
  return {
    type: after.type || before.type,
    unit: after.unit || before.unit,
    per,
    scale,
    base,
    with: other,
    ...compareFunctions(before.stacks, after.stacks, after.frames, { scale, limit, excludeKind: PROCESS_KIND }),
  };
}

function scaleOf(per: ComparePer, base: CompareSide, other: CompareSide): number {
  if (base.total === 0) return 0;
  if (per === 'cpu') return other.total / base.total;
  const time = (other.until - other.from) / (base.until - base.from);
  if (per === 'time') return time;
  if (base.pods === 0 || other.pods === 0)
    throw badRequest('per=pod needs pods on both sides; use per=cpu or per=time for what runs outside of pods');
  return time * (other.pods / base.pods);
}

async function sideOf(
  db: Db,
  { selector, range }: Selection,
  total: number,
  options: AskOptions,
): Promise<CompareSide> {
  const { rows } = await db.ask(...args(sideSql(selector, range)), options);
  const [samples, pods] = rows[0] ?? [0, 0];
  return {
    selector: formatSelector(selector),
    from: range.from * 1000,
    until: range.until * 1000,
    total,
    samples: Number(samples),
    pods: Number(pods),
  };
}

/** Columns: samples, distinct pods. */
function sideSql(selector: Selector, range: TimeRange): SqlText {
  const { where, params } = compileSelector(selector);
  return {
    sql: `SELECT sum(if(period = 0, 0, intDiv(v, period))) AS samples, uniqExactIf(pod_key, pod_key != '') AS pods FROM (
  SELECT series, sum(value) AS v FROM samples
  WHERE ${inRange} AND series IN (SELECT series FROM series WHERE ${where})
  GROUP BY series
) AS s INNER JOIN (
  SELECT series, any(period) AS period, any(if(pod_uid != '', pod_uid, pod)) AS pod_key FROM series WHERE ${where} GROUP BY series
) AS l USING (series)`,
    params: { ...params, ...range },
  };
}
