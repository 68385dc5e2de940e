import type { LabelsResponse, LabelValuesResponse, ProfileTypesResponse } from '@perfleet/api-contract';
import { derivedFrom, SERIES_LABELS, type Selector } from '@perfleet/selector';
import { notFound } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from './db.ts';
import { labelSql, labelTotalsSql } from './samples.ts';
import { args } from './series.ts';

const MAX_LABELS = 1000;

/** The columns, then what agents added. */
export async function queryLabels(db: Db, options: AskOptions): Promise<LabelsResponse> {
  const { rows } = await db.ask(
    `SELECT DISTINCT arrayJoin(mapKeys(labels)) AS label FROM workloads ORDER BY label LIMIT ${MAX_LABELS}`,
    {},
    options,
  );
  return { labels: [...new Set<string>([...SERIES_LABELS, ...rows.map((row) => String(row[0]))])] };
}

/** Series without the label are left out. @throws ApiError 404 when no series ever had it */
export async function queryLabelValues(
  db: Db,
  name: string,
  selector: Selector,
  range: TimeRange,
  limit: number,
  options: AskOptions,
): Promise<LabelValuesResponse> {
  const label = labelSql(name);
  const { rows } = await db.ask(...args(labelTotalsSql(name, selector, range, limit + 1)), options);
  const values = rows
    .map(([value, total]) => ({ value: String(value), total: Number(total) }))
    .filter(({ value }) => value !== '');
  if (values.length === 0 && label.sql.startsWith('labels[')) {
    const known = await db.ask(
      'SELECT 1 FROM workloads WHERE mapContains(labels, {label:String}) LIMIT 1',
      label.params,
      options,
    );
    if (known.rows.length === 0) throw notFound(`no series has the label ${name.slice(0, 100)}`);
  }
  return { values: values.slice(0, limit) };
}

/** What is stored, then what is derived from it. */
export async function queryProfileTypes(db: Db, options: AskOptions): Promise<ProfileTypesResponse> {
  const { rows } = await db.ask(
    `SELECT DISTINCT type, unit FROM workloads ORDER BY type LIMIT ${MAX_LABELS}`,
    {},
    options,
  );
  const stored = rows.map(([type, unit]) => ({ type: String(type), unit: String(unit) }));
  const derived = derivedFrom(stored).map(({ type, unit }) => ({ type, unit }));
  return { types: [...stored, ...derived] };
}
