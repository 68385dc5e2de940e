import { quoteIdentifier } from '@perfleet/clickhouse';
import { seriesColumn } from '@perfleet/selector';
import { isLimited, type LabelLimits } from '@perfleet/tokens';
import { PUBLIC_VIEWS } from './guard.ts';

/** Views whose every row is somebody's samples; the others tell of nodes and of the fleet, which belong to no label. */
export const VIEWS_OF_SAMPLES = ['profiles', 'functions', 'spans', 'unresolved_binaries'] as const;

/** Where the views take samples from: what these tables do not give, nothing above them can show. */
export const SAMPLE_TABLES = ['samples', 'linked_samples'] as const;

/**
 * Codes of ClickHouse that are raised before a row is read: syntax, unknown and ambiguous names, numbers and types of arguments,
 * aggregates, parameters. All others may hold values of rows, also of rows that the filter takes out.
 */
const BEFORE_READING: ReadonlySet<number> = new Set([42, 43, 46, 47, 62, 179, 184, 207, 215, 352, 386, 456, 457]);

/** What SQL of one caller may see. */
export interface RowLimits {
  readonly views: readonly string[];
  /** Settings of each query, "" = none. */
  readonly settings: readonly string[];
  /** @returns whether the engine's words for an error may be told */
  readonly tells: (code: number) => boolean;
}

const UNLIMITED: RowLimits = { views: PUBLIC_VIEWS, settings: [], tells: () => true };

/**
 * Limits of a token with labels, kept by the engine below the views (`additional_table_filters`), whatever a query does above them.
 * No text of a label enters the statement: values and names travel as hexadecimal digits.
 * @param database of the tables: another shard, which keeps the filter for its own rows, would look elsewhere
 */
export function rowLimits(labels: LabelLimits, database: string): RowLimits {
  if (!isLimited(labels)) return UNLIMITED;
  const conditions = Object.entries(labels).map(
    ([label, values]) => `${seriesColumn(label) ?? `labels[${literal(label)}]`} IN (${values.map(literal).join(', ')})`,
  );
  const filter =
    `series IN (SELECT series FROM ${quoteIdentifier(database)}.series WHERE ${conditions.join(' AND ')})`.replaceAll(
      "'",
      "\\'",
    );
  const filters = SAMPLE_TABLES.map((table) => `'${table}': '${filter}'`);
  return {
    views: VIEWS_OF_SAMPLES,
    settings: [`additional_table_filters = {${filters.join(', ')}}`],
    tells: (code) => BEFORE_READING.has(code),
  };
}

function literal(text: string): string {
  return `unhex('${Buffer.from(text, 'utf8').toString('hex')}')`;
}
