import type { ComparePer, CompareResponse, CompareSide } from '@perfleet/api-contract';
import { compareFunctions } from '@perfleet/profile';
import { formatSelector, type Selector } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from './db.ts';
import type { Selection } from './profile-queries.ts';
import type { SqlText } from './samples.ts';
import { args } from './series.ts';
import { sourceOf } from './sources.ts';
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

/** Columns: samples, distinct pods. Pods are those of raw rows: a roll-up has none. */
function sideSql(selector: Selector, range: TimeRange): SqlText {
  const counted = sourceOf(selector, range);
  const pods = sourceOf(selector, range, { labels: ['pod_uid'] }, 'pods');
  return {
    sql: `SELECT (
  SELECT sum(intDivOrZero(v, period)) FROM (SELECT key, sum(value) AS v FROM ${counted.samples} GROUP BY key) AS s
  INNER JOIN (SELECT ${counted.key} AS key, any(period) AS period FROM ${counted.table} WHERE ${counted.where} GROUP BY key) AS l USING (key)
) AS samples, (
  SELECT uniqExactIf(pod_key, pod_key != '') FROM (SELECT DISTINCT key FROM ${pods.samples}) AS s
  INNER JOIN (
    SELECT series AS key, any(if(pod_uid != '', pod_uid, pod)) AS pod_key FROM series WHERE ${pods.where} GROUP BY key
  ) AS l USING (key)
) AS pods`,
    params: { ...pods.params, ...counted.params },
  };
}
