import { ROLL_UPS } from '@perfleet/clickhouse';
import { compileLinks, compileSelector, isLinkLabel, labelExpression, type Selector } from '@perfleet/selector';
import type { TimeRange } from '../http/time.ts';

/** What an answer is made of besides sums by stack. */
export interface Need {
  /** Labels that it is split by, besides those that the selector names. */
  readonly labels?: readonly string[];
  /** Seconds of its steps, which begin at multiples of it. Without: the whole range is one. */
  readonly step?: number;
}

/** Where the rows of a query come from. */
export interface Source {
  /** A subquery with the columns time, key, stack and value: what the selector chooses of the range. */
  readonly samples: string;
  /** A table of labels, its column that `key` refers to, and the selector's condition on it. A key may stand in several rows. */
  readonly table: 'series' | 'workloads';
  readonly key: 'series' | 'workload';
  readonly where: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Columns that tell instances of one workload apart: roll-ups do not have them. */
const INSTANCE_COLUMNS: ReadonlySet<string> = new Set(['node', 'pod', 'pod_uid', 'container_id']);

const isShared = (label: string) => isLinkLabel(label) || !INSTANCE_COLUMNS.has(labelExpression(label, 'label').where);

/** Whether all series of a workload agree on the labels. */
export function perWorkload(selector: Selector, labels: readonly string[] = []): boolean {
  return [...selector.matchers.map(({ label }) => label), ...labels].every(isShared);
}

/** The smallest table that has the labels of a selector, and its condition there. */
export function labelsOf(selector: Selector): Pick<Source, 'table' | 'key' | 'where' | 'params'> {
  const { where, params } = compileSelector(selector);
  return perWorkload(selector)
    ? { table: 'workloads', key: 'workload', where, params }
    : { table: 'series', key: 'series', where, params };
}

/**
 * Samples of a selector and range. Where nothing is lost by it they come from roll-ups: no label of an instance is asked for, and
 * steps hold whole buckets. The inner part of the range comes from the coarsest, its edges from finer ones and at last from raw
 * rows, so that sums are the same to the last nanosecond. What is older than the raw rows begins at a whole bucket.
 * Whoever names spans or traces has the samples that were taken in them, and no roll-up.
 * @param prefix of the names of parameters for times, so that two sources fit into one query
 */
export function sourceOf(selector: Selector, range: TimeRange, need: Need = {}, prefix = 'time'): Source {
  const { where, params } = compileSelector(selector);
  const chosen = (column: string, table: string) =>
    where === '1' ? '' : ` AND ${column} IN (SELECT ${column} FROM ${table} WHERE ${where})`;
  const times: Record<string, number> = {};
  const within = ({ from, until }: TimeRange, i: number) => {
    const [first, last] = [`${prefix}${i}_from`, `${prefix}${i}_until`];
    Object.assign(times, { [first]: from, [last]: until });
    return `time >= toDateTime({${first}:UInt32}, 'UTC') AND time < toDateTime({${last}:UInt32}, 'UTC')`;
  };
  const links = compileLinks(selector);
  if (links) {
    const [table, key] = perWorkload(selector, need.labels)
      ? (['workloads', 'workload'] as const)
      : (['series', 'series'] as const);
    const condition = `${within(range, 0)} AND ${links.where}${chosen(key, table)}`;
    const samples = `(SELECT time, ${key} AS key, stack, value FROM linked_samples WHERE ${condition})`;
    return { samples, table, key, where, params: { ...params, ...times, ...links.params } };
  }
  if (!perWorkload(selector, need.labels)) {
    // Rows are sorted by workload: its ids are what the engine finds them by. In the table a series is a number in a dictionary.
    const condition = `${within(range, 0)}${chosen('workload', 'series')}${chosen('series', 'series')}`;
    const samples = `(SELECT time, toUInt64(series) AS key, stack, value FROM samples WHERE ${condition})`;
    return { samples, table: 'series', key: 'series', where, params: { ...params, ...times } };
  }
  const { step } = need;
  const usable = ROLL_UPS.filter(({ seconds }) => step === undefined || step % seconds === 0);
  const inPieces = pieces(range, usable);
  // A range of nothing still is a query.
  const byTable = Map.groupBy(inPieces.length > 0 ? inPieces : [{ table: 'samples', ...range }], ({ table }) => table);
  let count = 0;
  const parts = [...byTable].map(([table, ranges]) => {
    const condition = ranges.map((each) => within(each, count++)).join(' OR ');
    return `SELECT time, workload AS key, stack, value FROM ${table} WHERE (${condition})${chosen('workload', 'workloads')}`;
  });
  const samples = `(${parts.join(' UNION ALL ')})`;
  return { samples, table: 'workloads', key: 'workload', where, params: { ...params, ...times } };
}

export interface Piece extends TimeRange {
  readonly table: string;
}

/** A range in pieces that do not overlap, in order. @param rollUps that may be used, finest first */
export function pieces(
  range: TimeRange,
  rollUps: ReadonlyArray<{ readonly table: string; readonly seconds: number }>,
): Piece[] {
  const { from, until } = range;
  const coarsest = rollUps.at(-1);
  if (!coarsest) return from < until ? [{ table: 'samples', from, until }] : [];
  const finer = rollUps.slice(0, -1);
  const { table, seconds } = coarsest;
  const [first, last] = [Math.ceil(from / seconds) * seconds, Math.floor(until / seconds) * seconds];
  if (first >= last) return pieces(range, finer);
  return [
    ...pieces({ from, until: first }, finer),
    { table, from: first, until: last },
    ...pieces({ from: last, until }, finer),
  ];
}
