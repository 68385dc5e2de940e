import { idempotent, type MigrationStep, type SchemaForm } from '../migrate.ts';
import { quote, TOKEN } from '../sql-text.ts';
import { ROLL_UPS } from '../tables.ts';

/** Tables whose rows are spread over the shards. All others have all their rows on every server: joins and FINAL stay local. */
export const SHARDED = ['samples', 'linked_samples', ...ROLL_UPS.map(({ table }) => table)] as const;

/** Name of a sharded table's own rows on a server; the plain name is all of them, through `Distributed`. */
export const localTable = (name: string) => ((SHARDED as readonly string[]).includes(name) ? `${name}_local` : name);

/**
 * Blocks and seconds for which Keeper knows a block: as long as the stream keeps what may be replayed (two weeks), and a day.
 * The defaults of ClickHouse (hours, in newer versions one) would forget a block while its range can still be replayed.
 */
const DEDUPLICATION_SECONDS = 15 * 86_400;

/** Series are numbers in a dictionary, which the engine wants to be told of wherever such a column is made. */
const SUSPICIOUS = ' SETTINGS allow_suspicious_low_cardinality_types = 1';

/** Whose rows a server takes along when a migration moves some: the first one does it for those that hold the same. */
export interface Moves {
  /** Of its shard. */
  readonly sharded: boolean;
  /** Of the whole cluster. */
  readonly everywhere: boolean;
}

export interface ClusterFormOptions {
  readonly cluster: string;
  /** Name of the migration: part of the paths in Keeper, so that a table that takes another's place never meets it there. */
  readonly migration: string;
  readonly moves: Moves;
}

/**
 * What a server of a cluster runs in the place of a statement that is written for a single server:
 *
 *   - MergeTree engines become Replicated ones: sharded tables one group for each shard, all others one group of all servers
 *   - sharded tables are called `…_local`, and `Distributed` tables of the plain names stand over them, for views and queries
 *   - rows are moved once for each group, whatever its size
 *   - views stay as they are
 *
 * No ON CLUSTER: each server keeps its own record of what it has (`schema_migrations`), so that one that joins later gets the same by
 * the same files.
 */
export function clusterForm({ cluster, migration, moves }: ClusterFormOptions): SchemaForm {
  const distributed = (table: string) =>
    `CREATE OR REPLACE TABLE ${table} AS ${localTable(table)} ENGINE = Distributed(${quote(cluster)}, currentDatabase(), ${quote(localTable(table))})${SUSPICIOUS}`;
  return {
    table: localTable,
    skipped: ({ unlessColumn }: MigrationStep) =>
      unlessColumn && isSharded(unlessColumn.table) ? [distributed(unlessColumn.table)] : [],
    statements(statement: string): string[] {
      if (/^CREATE (OR REPLACE )?VIEW\b/i.test(statement)) return [idempotent(statement)];
      const moved = /^(?:INSERT INTO|TRUNCATE TABLE(?: IF EXISTS)?)\s+(\w+)/i.exec(statement)?.[1];
      if (moved && !(isSharded(moved) ? moves.sharded : moves.everywhere)) return [];
      const local = idempotent(renamed(statement));
      // Whether a move was whole is looked at by who moved.
      if (/^SELECT throwIf\b/i.test(local)) return moves.sharded ? [local] : [];
      if (moved) return [...sources(local).map((table) => `SYSTEM SYNC REPLICA ${table}`), local];
      const created = /^CREATE TABLE IF NOT EXISTS (\w+)/i.exec(local)?.[1];
      if (created) {
        const statements = [replicated(local, created, migration)];
        const plain = SHARDED.find((table) => localTable(table) === created);
        return plain ? [...statements, distributed(plain)] : statements;
      }
      // Without SYNC the name and the path in Keeper are free some minutes later only.
      if (/^DROP TABLE\b/i.test(local)) return [local.replace(/^(DROP TABLE(?: IF EXISTS)? \w+)/i, '$1 SYNC')];
      if (!/^(ALTER|EXCHANGE|RENAME)\b/i.test(local)) return [local];
      const changed = SHARDED.filter((table) => new RegExp(`\\b${table}\\b`).test(statement));
      // The next replica must find it done: one that is behind would refuse to do it again.
      const isReplicated = /^ALTER\b/i.test(local) && !/\b(?:SETTINGS|(?:MODIFY|RESET) SETTING)\b/i.test(local);
      const synchronous = isReplicated ? ' SETTINGS alter_sync = 2' : '';
      return [local + synchronous, ...changed.map(distributed)];
    },
  };
}

/** Also of those that are to take the place of one: `samples_next`. */
const isSharded = (table: string) => SHARDED.some((name) => [name, localTable(name), `${name}_next`].includes(table));

/** Tables whose rows a statement reads: what other replicas wrote of them must be here first. */
const sources = (statement: string) => [
  ...new Set(Array.from(statement.matchAll(/\b(?:FROM|JOIN) (\w+)\b(?!\s*\()/g), ([, table]) => table!)),
];

/** Names outside of quotes and comments. */
function renamed(statement: string): string {
  const names = new RegExp(`\\b(?:${SHARDED.join('|')})\\b`, 'g');
  return Array.from(statement.matchAll(TOKEN), ([token]) =>
    /^['"`-]/.test(token) ? token : token.replace(names, localTable),
  ).join('');
}

function replicated(statement: string, table: string, migration: string): string {
  const [path, replica] = isSharded(table)
    ? ['/clickhouse/tables/{shard}', '{replica}']
    : ['/clickhouse/tables/all', '{shard}-{replica}'];
  const where = `${quote(`${path}/{database}/${migration}/${table}`)}, ${quote(replica)}`;
  return statement
    .replace(/\bENGINE = (\w*MergeTree)(?:\(([^)]*)\))?/i, (_, engine: string, args?: string) => {
      return `ENGINE = Replicated${engine}(${[where, ...(args ? [args] : [])].join(', ')})`;
    })
    .replace(
      /\bnon_replicated_deduplication_window = (\d+)/i,
      `replicated_deduplication_window = $1, replicated_deduplication_window_seconds = ${DEDUPLICATION_SECONDS}`,
    );
}
