import { quote, quoteIdentifier } from '@perfleet/clickhouse';
import { seriesColumn } from '@perfleet/selector';
import { isLimited, type LabelLimits } from '@perfleet/tokens';
import { PUBLIC_VIEWS } from './guard.ts';
import { SQL_LIMITS } from './limits.ts';
import { VIEWS_OF_SAMPLES } from './row-limits.ts';

/** What a user of SQL is bounded by, whatever views they may read. Also the name of the settings profile and of the quota. */
export const LIMITS_ROLE = 'perfleet_sql';
/** Reads every public view. */
export const READER_ROLE = 'perfleet_reader';

/** Columns that each of the views of samples has. */
const LABEL_COLUMNS: ReadonlySet<string> = new Set([
  ...['cluster', 'node', 'namespace', 'pod', 'container', 'service', 'process', 'type'],
]);

/** In an hour, of one user. */
const QUOTA = { queries: 20_000, execution_time: 10 * 3600 } as const;

export interface SqlUserOptions {
  readonly database: string;
  /** Whose rights views read with: this one reads the tables. */
  readonly definer: string;
  readonly user: string;
  /** 64 hexadecimal digits. */
  readonly passwordSha256: string;
  /** Of whose samples alone the user sees something; none = of all. */
  readonly labels: LabelLimits;
}

/**
 * The sandbox of `SqlService` in a ClickHouse server's own means, for one user: public views alone, which read the tables with the
 * rights of `definer`, within limits that no setting raises. Each statement may run again; all of them on every server.
 * @throws Error when a label is no column of the views
 */
export function sqlUserStatements(options: SqlUserOptions): string[] {
  const user = quoteIdentifier(options.user);
  const definer = quoteIdentifier(options.definer);
  const view = (name: string) => `${quoteIdentifier(options.database)}.${name}`;
  const limited = isLimited(options.labels);
  const identified = `IDENTIFIED WITH sha256_hash BY ${quote(options.passwordSha256)}`;
  return [
    ...[LIMITS_ROLE, READER_ROLE].map((role) => `CREATE ROLE IF NOT EXISTS ${role}`),
    `CREATE SETTINGS PROFILE IF NOT EXISTS ${LIMITS_ROLE}`,
    `ALTER SETTINGS PROFILE ${LIMITS_ROLE} SETTINGS ${PROFILE.join(', ')} TO ${LIMITS_ROLE}`,
    `CREATE QUOTA IF NOT EXISTS ${LIMITS_ROLE} KEYED BY user_name`,
    `ALTER QUOTA ${LIMITS_ROLE} FOR INTERVAL 1 hour MAX ${Object.entries(QUOTA)
      .map(([what, most]) => `${what} = ${most}`)
      .join(', ')} TO ${LIMITS_ROLE}`,
    ...PUBLIC_VIEWS.flatMap((name) => [
      // A migration that makes a view anew makes it one of whoever asks: closed, until this has run again.
      `ALTER TABLE ${view(name)} MODIFY SQL SECURITY DEFINER DEFINER = ${definer}`,
      `GRANT SELECT ON ${view(name)} TO ${READER_ROLE}`,
    ]),
    `CREATE USER IF NOT EXISTS ${user} ${identified}`,
    `ALTER USER ${user} ${identified}`,
    `GRANT ${LIMITS_ROLE} TO ${user}`,
    // Whichever of the two the user was before.
    `REVOKE ${READER_ROLE} FROM ${user}`,
    ...VIEWS_OF_SAMPLES.map((name) => `REVOKE SELECT ON ${view(name)} FROM ${user}`),
    ...(limited ? limitedTo(options, user, definer, view) : [`GRANT ${READER_ROLE} TO ${user}`]),
    `ALTER USER ${user} DEFAULT ROLE ALL`,
  ];
}

/** No column of a view tells who may see its other rows: views that are not made of samples are not granted at all. */
function limitedTo(
  { user: name, labels }: SqlUserOptions,
  user: string,
  definer: string,
  view: (name: string) => string,
) {
  const conditions = Object.entries(labels).map(([label, values]) => {
    const column = seriesColumn(label);
    if (column === undefined || !LABEL_COLUMNS.has(column))
      throw new Error(`label ${label}: a user of the server can be limited by ${[...LABEL_COLUMNS].join(', ')} only`);
    return `${column} IN (${values.map(quote).join(', ')})`;
  });
  const policy = quoteIdentifier(`perfleet_${name}`);
  return VIEWS_OF_SAMPLES.flatMap((table) => [
    // Where a table has policies, some servers show nothing to those that have none.
    `CREATE ROW POLICY IF NOT EXISTS ${READER_ROLE} ON ${view(table)} FOR SELECT USING 1 TO ${READER_ROLE}, ${definer}`,
    `CREATE ROW POLICY IF NOT EXISTS ${policy} ON ${view(table)} FOR SELECT USING 0 TO ${user}`,
    `ALTER ROW POLICY ${policy} ON ${view(table)} FOR SELECT USING ${conditions.join(' AND ')} TO ${user}`,
    `GRANT SELECT ON ${view(table)} TO ${user}`,
  ]);
}

/** The same bounds that the API puts on each query, as the most that a query may have. */
export const SETTING_LIMITS = {
  max_execution_time: SQL_LIMITS.seconds,
  max_memory_usage: SQL_LIMITS.memoryBytes,
  max_rows_to_read: 10_000_000_000,
  max_bytes_to_read: 1_000_000_000_000,
  max_result_rows: SQL_LIMITS.resultRows,
  max_result_bytes: SQL_LIMITS.resultBytes,
} as const;

const PROFILE = [
  // 0 would be no limit: what is above the most is refused, and so is what is below the least.
  ...Object.entries(SETTING_LIMITS).map(([name, most]) => `${name} = ${most} MIN 1 MAX ${most}`),
  ...['timeout_overflow_mode', 'result_overflow_mode', 'read_overflow_mode'].map((name) => `${name} = 'throw' CONST`),
  'allow_introspection_functions = 0 CONST',
];
