/// <reference types="vite/client" />
import { splitStatements } from './sql-text.ts';
import { ClickHouseError, type Store } from './store.ts';

const files = import.meta.glob('../migrations/*.sql', { query: '?raw', import: 'default', eager: true }) as Record<
  string,
  string
>;

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: readonly string[];
}

/** The numbered files, in order. */
export const MIGRATIONS: readonly Migration[] = Object.entries(files)
  .map(([path, text]) => {
    const name = path.slice(path.lastIndexOf('/') + 1, -'.sql'.length);
    return { version: Number.parseInt(name, 10), name, statements: splitStatements(text) };
  })
  .sort((a, b) => a.version - b.version);

/**
 * Brings the schema up to date, forward only. Statements create only what is not there yet, so that a migration that
 * was interrupted, or that two processes run at once, ends in the same place.
 * @returns versions that were applied now
 * @throws ClickHouseError when the store is newer than this program, or the engine refuses a statement
 */
export async function migrate(store: Store, migrations: readonly Migration[] = MIGRATIONS): Promise<number[]> {
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
  const applied: number[] = [];
  for (const { version, name, statements } of migrations.filter((m) => !done.has(m.version))) {
    for (const statement of statements) {
      try {
        await store.command(idempotent(statement));
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new ClickHouseError(
          `Migration ${name} failed: ${why}`,
          cause instanceof ClickHouseError ? cause.code : 0,
          { cause },
        );
      }
    }
    await store.command(`INSERT INTO schema_migrations (version, name) VALUES (${version}, '${name}')`);
    applied.push(version);
  }
  return applied;
}

function idempotent(statement: string): string {
  return statement
    .replace(/^CREATE TABLE (?!IF NOT EXISTS)/i, 'CREATE TABLE IF NOT EXISTS ')
    .replace(/^CREATE VIEW (?!IF NOT EXISTS)/i, 'CREATE OR REPLACE VIEW ');
}
