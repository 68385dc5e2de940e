/// <reference types="vite/client" />
import { underSchemaLock } from './schema-lock.ts';
import { splitStatements } from './sql-text.ts';
import { ClickHouseError, type Store } from './store.ts';
import { TTL_DAYS } from './tables.ts';

const files = import.meta.glob('../migrations/*.sql', { query: '?raw', import: 'default', eager: true }) as Record<
  string,
  string
>;

/** Statements that belong together. */
export interface MigrationStep {
  /** The step is done when this column is there: its last statement makes it so. */
  readonly unlessColumn: { readonly table: string; readonly column: string } | null;
  /** Tables that it makes are kept for as long as this one is, whatever an operator chose; null = as they say. */
  readonly keptAs: string | null;
  readonly statements: readonly string[];
}

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly steps: readonly MigrationStep[];
}

/** What is run for what stands in the files, which are written for a single server. */
export interface SchemaForm {
  /** In the place of one statement, in this order. */
  statements(statement: string): readonly string[];
  /** After a step that was done before: what an interruption behind it may have left out. */
  skipped(step: MigrationStep): readonly string[];
  /** Name of the table that has the rows. */
  table(name: string): string;
}

const SINGLE_SERVER: SchemaForm = {
  statements: (statement) => [idempotent(statement)],
  skipped: () => [],
  table: (name) => name,
};

/** The numbered files, in order. */
export const MIGRATIONS: readonly Migration[] = Object.entries(files)
  .map(([path, text]) => {
    const name = path.slice(path.lastIndexOf('/') + 1, -'.sql'.length);
    return { version: Number.parseInt(name, 10), name, steps: splitSteps(text) };
  })
  .sort((a, b) => a.version - b.version);

/**
 * A script's steps. Lines `-- unless column TABLE.COLUMN` and `-- end` stand around what moves rows: statements that start
 * anew whenever they are run, the last of which puts the result in its place at once. `-- kept as TABLE` in a step is
 * about the tables that it makes.
 */
export function splitSteps(script: string): MigrationStep[] {
  const steps: MigrationStep[] = [];
  let unlessColumn: MigrationStep['unlessColumn'] = null;
  let lines: string[] = [];
  const close = () => {
    const text = lines.join('\n');
    const statements = splitStatements(text);
    const keptAs = /^-- kept as (\w+)$/m.exec(text)?.[1] ?? unlessColumn?.table ?? null;
    if (statements.length > 0) steps.push({ unlessColumn, keptAs, statements });
    lines = [];
  };
  for (const line of script.split('\n')) {
    const unless = /^-- unless column (\w+)\.(\w+)$/.exec(line);
    if (!unless && line !== '-- end') {
      lines.push(line);
      continue;
    }
    close();
    unlessColumn = unless ? { table: unless[1]!, column: unless[2]! } : null;
  }
  close();
  return steps;
}

/**
 * Brings the schema up to date, forward only. A migration that was interrupted ends in the same place when it is run
 * again: statements create only what is not there yet, and steps that move rows are done or start anew.
 * @returns versions that were applied now
 * @throws ClickHouseError when the store is newer than this program, or the engine refuses a statement
 */
export async function migrate(store: Store, migrations: readonly Migration[] = MIGRATIONS): Promise<number[]> {
  if ((await missingMigrations(store, migrations)).length === 0) return [];
  return underSchemaLock(store, async () => {
    const applied: number[] = [];
    // Asked again: whoever had the lock before may have done it.
    for (const migration of await missingMigrations(store, migrations)) {
      await applyMigration(store, migration);
      applied.push(migration.version);
    }
    return applied;
  });
}

/** Migrations that the server has not had. @throws ClickHouseError when it has had one that is not among them */
export async function missingMigrations(store: Store, migrations: readonly Migration[]): Promise<Migration[]> {
  await store.command(
    `CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, name String, applied DateTime('UTC') DEFAULT now())
     ENGINE = ReplacingMergeTree ORDER BY version`,
  );
  const rows = await store.query<{ version: number }>('SELECT DISTINCT version FROM schema_migrations');
  const done = new Set(rows.map((row) => Number(row.version)));
  const newest = migrations.at(-1)?.version ?? 0;
  const ahead = [...done].filter((version) => version > newest);
  if (ahead.length > 0) {
    throw new ClickHouseError(
      `The store has schema version ${Math.max(...ahead)}, this program knows ${newest}: run a newer perfleet.`,
      0,
    );
  }
  return migrations.filter(({ version }) => !done.has(version));
}

/** Once more it changes nothing. @throws ClickHouseError that names the migration */
export async function applyMigration(
  store: Store,
  { version, name, steps }: Migration,
  form: SchemaForm = SINGLE_SERVER,
): Promise<void> {
  for (const step of steps) {
    const { unlessColumn, keptAs } = step;
    const done = unlessColumn && (await hasColumn(store, form.table(unlessColumn.table), unlessColumn.column));
    const days = keptAs !== null && !done ? await daysKept(store, form.table(keptAs)) : null;
    const kept = step.statements.map((statement) => withDays(statement, days));
    const statements = done ? form.skipped(step) : kept.flatMap((statement) => form.statements(statement));
    for (const statement of statements) {
      try {
        await store.command(statement);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new ClickHouseError(
          `Migration ${name} failed: ${why}`,
          cause instanceof ClickHouseError ? cause.code : 0,
          { cause },
        );
      }
    }
  }
  await store.command(`INSERT INTO schema_migrations (version, name) VALUES (${version}, '${name}')`);
}

/** What an operator chose for a table goes over to one that takes its place, or stands beside it. @returns null when it has no TTL, or is not there */
async function daysKept(store: Store, table: string): Promise<number | null> {
  const sql = `SELECT ${TTL_DAYS} AS days FROM system.tables WHERE database = currentDatabase() AND name = {table:String}`;
  const [row] = await store.query<{ days: string }>(sql, { table });
  return row?.days ? Number(row.days) : null;
}

function withDays(statement: string, days: number | null): string {
  if (days === null || !/^CREATE TABLE\b/i.test(statement)) return statement;
  return statement.replace(/\b(TTL \w+ \+ INTERVAL )\d+ DAY\b/, `$1${days} DAY`);
}

async function hasColumn(store: Store, table: string, column: string): Promise<boolean> {
  const sql =
    'SELECT 1 FROM system.columns WHERE database = currentDatabase() AND table = {table:String} AND name = {column:String}';
  return (await store.query(sql, { table, column })).length > 0;
}

/** Creates only what is not there yet; views are what the newest migration says. */
export function idempotent(statement: string): string {
  return statement
    .replace(/^CREATE TABLE (?!IF NOT EXISTS)/i, 'CREATE TABLE IF NOT EXISTS ')
    .replace(/^CREATE VIEW (?!IF NOT EXISTS)/i, 'CREATE OR REPLACE VIEW ');
}
