import { pyroscopeTypeOf, type PyroscopeType } from '@perfleet/pyroscope';
import {
  compileLinks,
  compileSelector,
  derivedFrom,
  labelExpression,
  selectedDerivedType,
  SERIES_LABELS,
  type Selector,
} from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from '../queries/db.ts';
import { sourceOf } from '../queries/sources.ts';

/** What Pyroscope's users call our labels, where it is another name. */
const PUBLIC_NAMES: Readonly<Record<string, string>> = { service: 'service_name', type: '__profile_type__' };
const PROFILE_TYPE = '__profile_type__';
const MAX_ROWS = 100_000;
const MAX_STEPS = 11_000;
const MAX_POINTS = 1_000_000;

const publicName = (label: string) => PUBLIC_NAMES[label] ?? label;
const inTime = "time >= toDateTime({from:UInt32}, 'UTC') AND time < toDateTime({until:UInt32}, 'UTC')";

type Params = Record<string, unknown>;
export type LabelSet = ReadonlyArray<readonly [name: string, value: string]>;

/** Series that one of the selectors picks and that have samples in the range. */
function matching(selectors: readonly Selector[], range: TimeRange): { where: string; params: Params } {
  const compiled = selectors.map((selector, i) => {
    const { where, params } = compileSelector(selector, `m${i}_`);
    const links = compileLinks(selector, `link${i}_`);
    if (!links) return { where, params };
    const linked = `series IN (SELECT series FROM linked_samples WHERE ${inTime} AND ${links.where})`;
    return { where: `${where} AND ${linked}`, params: { ...params, ...links.params } };
  });
  const any = compiled.length === 0 ? '1' : compiled.map(({ where }) => `(${where})`).join(' OR ');
  return {
    where: `(${any}) AND series IN (SELECT DISTINCT series FROM samples WHERE ${inTime})`,
    params: Object.assign({ ...range }, ...compiled.map(({ params }) => params)) as Params,
  };
}

function bounded<T>(rows: readonly T[], what: string): readonly T[] {
  if (rows.length > MAX_ROWS) throw badRequest(`more than ${MAX_ROWS} ${what}; narrow the time range or the matchers`);
  return rows;
}

interface StoredType {
  readonly type: string;
  readonly unit: string;
}

/** What a reader is to see of these types: those that are derived from them, too; these alone where they were asked for. */
function withDerived(stored: readonly StoredType[], selectors: readonly Selector[]): readonly StoredType[] {
  if (stored.length === 0) return stored;
  const selected = selectors.map(selectedDerivedType).filter((derived) => derived !== undefined);
  if (selectors.length > 0 && selected.length === selectors.length) return [...new Set(selected)];
  return [...stored, ...derivedFrom(stored)];
}

export async function profileTypes(
  db: Db,
  selectors: readonly Selector[],
  range: TimeRange,
  options: AskOptions,
): Promise<PyroscopeType[]> {
  const { where, params } = matching(selectors, range);
  const sql = `SELECT DISTINCT type, unit FROM series WHERE ${where} ORDER BY type, unit LIMIT ${MAX_ROWS + 1}`;
  const { rows } = await db.ask(sql, params, options);
  const stored = bounded(rows, 'profile types').map(([type, unit]) => ({ type: String(type), unit: String(unit) }));
  return withDerived(stored, selectors).map(({ type, unit }) => pyroscopeTypeOf(type, unit));
}

/** Names of labels that at least one series has. */
export async function labelNames(
  db: Db,
  selectors: readonly Selector[],
  range: TimeRange,
  options: AskOptions,
): Promise<string[]> {
  const { where, params } = matching(selectors, range);
  const columns = SERIES_LABELS.map((label) => `max(${label} != '')`).join(', ');
  const sql = `SELECT ${columns}, groupUniqArrayArray(mapKeys(labels)) FROM series WHERE ${where}`;
  const row = (await db.ask(sql, params, options)).rows[0] ?? [];
  const own = SERIES_LABELS.filter((_, i) => Number(row[i]) === 1).map(publicName);
  return [...new Set([...own, ...(row[SERIES_LABELS.length] as string[])])].sort();
}

export async function labelValues(
  db: Db,
  name: string,
  selectors: readonly Selector[],
  range: TimeRange,
  options: AskOptions,
): Promise<string[]> {
  if (name === PROFILE_TYPE) return (await profileTypes(db, selectors, range, options)).map(({ id }) => id);
  const { where, params } = matching(selectors, range);
  const label = labelExpression(name, 'label');
  const sql = `SELECT DISTINCT ${label.where} AS value FROM series WHERE ${where} AND value != '' ORDER BY value LIMIT ${MAX_ROWS + 1}`;
  const { rows } = await db.ask(sql, { ...params, ...label.params }, options);
  return bounded(rows, 'label values').map(([value]) => String(value));
}

/** Distinct label sets, of the given labels or of all; labels without a value are left out. */
export async function seriesLabels(
  db: Db,
  selectors: readonly Selector[],
  names: readonly string[],
  range: TimeRange,
  options: AskOptions,
): Promise<LabelSet[]> {
  const { where, params } = matching(selectors, range);
  const wanted = names.length === 0 ? SERIES_LABELS.map(publicName) : [...new Set(names)];
  const labels = wanted.map((name, i) => labelExpression(name, `label${i}`));
  const columns = labels.map((label, i) => `${label.where} AS value${i}`);
  if (names.length === 0) columns.push('labels');
  const sql = `SELECT DISTINCT ${columns.join(', ')}, if(${wanted.includes(PROFILE_TYPE) ? 1 : 0}, unit, '') AS type_unit
FROM series WHERE ${where} ORDER BY ALL LIMIT ${MAX_ROWS + 1}`;
  const { rows } = await db.ask(sql, Object.assign(params, ...labels.map((label) => label.params)) as Params, options);
  const at = wanted.indexOf(PROFILE_TYPE);
  const others = (row: readonly unknown[]) =>
    names.length === 0 ? Object.entries(row[wanted.length] as Record<string, string>) : [];
  const setOf = (row: readonly unknown[], type?: StoredType): LabelSet =>
    [
      ...wanted.map(
        (name, i) => [name, i === at && type ? pyroscopeTypeOf(type.type, type.unit).id : String(row[i])] as const,
      ),
      ...others(row),
    ]
      .filter(([, value]) => value !== '')
      .sort(([a], [b]) => (a < b ? -1 : 1));
  const found = bounded(rows, 'series');
  if (at < 0) return found.map((row) => setOf(row));
  // Rows that differ in their type only have what is derived from these types, too.
  const alike = Map.groupBy(found, (row) => JSON.stringify([...row.slice(0, at), ...row.slice(at + 1, -1)]));
  return [...alike.values()].flatMap((same) => {
    const stored = same.map((row) => ({ type: String(row[at]), unit: String(row.at(-1)) }));
    return withDerived(stored, selectors).map((type) => setOf(same[0]!, type));
  });
}

export interface SeriesPoints {
  readonly labels: LabelSet;
  /** Unix milliseconds and the sum of the step that ends there; steps without samples are left out. */
  readonly points: ReadonlyArray<readonly [time: number, value: number]>;
}

/**
 * Sums per step and label set. A sample at the start stands at the start, every other at the end of the step that holds it,
 * so that all points add up to the total of the range.
 * @param startMs Unix milliseconds
 * @param stepMs at least 1
 * @param limit label sets, the largest
 */
export async function seriesPoints(
  db: Db,
  selector: Selector,
  range: TimeRange,
  request: { startMs: number; stepMs: number; groupBy: readonly string[]; typeId: string; limit: number },
  options: AskOptions,
): Promise<SeriesPoints[]> {
  const { startMs, stepMs, typeId, limit } = request;
  if ((range.until * 1000 - startMs) / stepMs > MAX_STEPS)
    throw badRequest(`more than ${MAX_STEPS} steps; choose a larger one`);
  const groupBy = [...new Set(request.groupBy)];
  // These steps end where others begin: a second at their end is the bucket's of a roll-up behind it.
  const { samples, table, key, where, params } = sourceOf(selector, range, { labels: groupBy, step: 1 });
  // The type is the one that was asked for, whatever it is made of.
  const labels = groupBy.map((name, i) =>
    name === PROFILE_TYPE ? { where: "''", params: {} } : labelExpression(name, `group${i}`),
  );
  const columns = labels.map((_, i) => `g${i}, `).join('');
  const sql = `SELECT ${columns}k, sum(v) AS total FROM (
  SELECT key, intDiv(toInt64(toUnixTimestamp(time)) * 1000 - {start:Int64} + {step:Int64} - 1, {step:Int64}) AS k, sum(value) AS v
  FROM ${samples} GROUP BY key, k
) AS s INNER JOIN (
  SELECT ${labels.map((label, i) => `any(${label.where}) AS g${i}, `).join('')}${key} AS key FROM ${table} WHERE ${where} GROUP BY key
) AS l USING (key) GROUP BY ${columns}k ORDER BY ${columns}k LIMIT ${MAX_POINTS + 1}`;
  const all = Object.assign({ ...params, start: startMs, step: stepMs }, ...labels.map((l) => l.params)) as Params;
  const { rows } = await db.ask(sql, all, options);
  if (rows.length > MAX_POINTS)
    throw badRequest(`more than ${MAX_POINTS} points; choose a larger step or fewer labels`);
  const series = new Map<string, { labels: LabelSet; points: Array<readonly [number, number]>; total: number }>();
  for (const row of rows) {
    const values = groupBy.map((name, i) => (name === PROFILE_TYPE ? typeId : String(row[i])));
    const key = values.join('\0');
    let line = series.get(key);
    if (!line) {
      const set = groupBy.map((name, i) => [name, values[i]!] as const).filter(([, value]) => value !== '');
      series.set(key, (line = { labels: set, points: [], total: 0 }));
    }
    const value = Number(row[groupBy.length + 1]);
    line.total += value;
    line.points.push([startMs + Number(row[groupBy.length]) * stepMs, value]);
  }
  const lines = [...series.values()];
  return limit > 0 && lines.length > limit ? lines.sort((a, b) => b.total - a.total).slice(0, limit) : lines;
}

/** Unix milliseconds of the first and the last sample, or null without any. */
export async function sampleTimes(db: Db, options: AskOptions): Promise<{ oldest: number; newest: number } | null> {
  const { rows } = await db.ask(
    'SELECT count(), toUnixTimestamp(min(time)), toUnixTimestamp(max(time)) FROM samples',
    {},
    options,
  );
  const [count, oldest, newest] = (rows[0] ?? [0, 0, 0]).map(Number) as [number, number, number];
  return count === 0 ? null : { oldest: oldest * 1000, newest: newest * 1000 };
}
