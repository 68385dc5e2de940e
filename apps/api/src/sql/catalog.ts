import { ALLOWED_FUNCTIONS } from './allowed-functions.ts';

/** What clients take the database for, whatever the store calls it. */
export const DATABASE = 'default';

/** Settings that clients look up; their values are those of the query that asks. */
export const SHOWN_SETTINGS = [
  ...['readonly', 'max_execution_time', 'max_memory_usage', 'max_rows_to_read'],
  ...['max_subquery_depth', 'session_timezone', 'date_time_output_format', 'output_format_json_quote_64bit_integers'],
] as const;

/**
 * Tables of ClickHouse's own catalogue as a user sees them: what clients look up to offer names, types and functions, about the
 * public views only. Columns that would tell paths, statements or anything of other tables are empty.
 */
const TABLES: Readonly<Record<string, (views: readonly string[]) => string>> = {
  databases: () => `
    SELECT '${DATABASE}' AS name, 'Atomic' AS engine, '' AS data_path, '' AS metadata_path, '' AS engine_full, '' AS comment`,
  tables: (views) => `
    SELECT '${DATABASE}' AS database, name, 'View' AS engine, toUInt8(0) AS is_temporary, emptyArrayString() AS data_paths,
      '' AS metadata_path, toDateTime(0) AS metadata_modification_time, '' AS create_table_query, '' AS engine_full, '' AS as_select,
      '' AS partition_key, '' AS sorting_key, '' AS primary_key, '' AS sampling_key, '' AS storage_policy,
      CAST(NULL, 'Nullable(UInt64)') AS total_rows, CAST(NULL, 'Nullable(UInt64)') AS total_bytes, '' AS comment
    FROM system.tables AS t WHERE t.database = currentDatabase() AND t.name IN (${list(views)})`,
  columns: (views) => `
    SELECT '${DATABASE}' AS database, table, name, type, position, '' AS default_kind, '' AS default_expression, '' AS comment,
      toUInt64(0) AS data_compressed_bytes, toUInt64(0) AS data_uncompressed_bytes, toUInt64(0) AS marks_bytes,
      toUInt8(0) AS is_in_partition_key, toUInt8(0) AS is_in_sorting_key, toUInt8(0) AS is_in_primary_key,
      toUInt8(0) AS is_in_sampling_key, '' AS compression_codec, character_octet_length, numeric_precision,
      numeric_precision_radix, numeric_scale, datetime_precision
    FROM system.columns AS t WHERE t.database = currentDatabase() AND t.table IN (${list(views)})`,
  settings: () => `
    SELECT name, value, changed, '' AS description, min, max, toUInt8(1) AS readonly, type
    FROM system.settings WHERE name IN (${list(SHOWN_SETTINGS)})`,
  functions: () => `
    SELECT name, is_aggregate, case_insensitive, alias_to, origin, description, syntax, arguments, returned_value, examples, categories
    FROM system.functions WHERE origin = 'System' AND name IN (${list([...ALLOWED_FUNCTIONS])})`,
  data_type_families: () => `SELECT name, case_insensitive, alias_to FROM system.data_type_families`,
  table_engines: () => `SELECT name FROM system.table_engines WHERE name = 'View'`,
};

const PREFIX = 'perfleet_system_';

/** Names that stand for the catalogue's tables in a statement once it was translated. */
export const CATALOG_NAMES: readonly string[] = Object.keys(TABLES).map((name) => PREFIX + name);

/** Functions without arguments that would tell of the machine or of the account, by lower case; what they answer. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  ...{ displayname: 'perfleet', hostname: 'perfleet', fqdn: 'perfleet' },
  ...{ currentdatabase: DATABASE, current_database: DATABASE, database: DATABASE, schema: DATABASE },
  ...{ currentuser: 'default', current_user: 'default', user: 'default' },
};

const TOKEN = /'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|"(?:\\.|[^"\\])*"|\w+|\s+|[^\s\w]/gs;

/**
 * Writes a user's statement in the store's names: `system.tables` becomes the name that `catalogOf` defines, `default.profiles` loses
 * its database, and functions about the server become what is told of it. It decides nothing: the guard judges what comes out.
 */
export function translate(canonical: string): string {
  const tokens = canonical.match(TOKEN) ?? [];
  let out = '';
  for (let i = 0; i < tokens.length; i++) {
    const [token, next, after] = [tokens[i]!, tokens[i + 1], tokens[i + 2] ?? ''];
    const answer = next === '(' && after === ')' ? FUNCTIONS[token.toLowerCase()] : undefined;
    if (token === 'system' && next === '.' && Object.hasOwn(TABLES, after)) {
      out += PREFIX + after;
      i += 2;
    } else if (token === DATABASE && next === '.' && /^\w/.test(after)) {
      i += 1;
    } else if (answer !== undefined) {
      const named = tokens[i + 3]?.trim() === '' && tokens[i + 4] === 'AS';
      out += named ? `'${answer}'` : `('${answer}' AS \`${token}()\`)`;
      i += 2;
    } else out += token;
  }
  return out;
}

/** @returns the definitions that a translated statement needs to stand before it, "" = none. Nothing of the statement is in them */
export function catalogOf(translated: string, views: readonly string[]): string {
  const used = Object.entries(TABLES).filter(([name]) => new RegExp(`\\b${PREFIX}${name}\\b`).test(translated));
  if (used.length === 0) return '';
  return `WITH ${used.map(([name, select]) => `${PREFIX}${name} AS (${select(views)}\n)`).join(', ')}\n`;
}

/** Names that this code knows: no quoting needed. */
function list(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}

const DESCRIBED = `name, type, '' AS default_type, '' AS default_expression, '' AS comment, '' AS codec_expression, '' AS ttl_expression`;

/** Statements about the catalogue as the queries that answer them; others, and those about tables that are no views, as they are. */
export function asQuery(canonical: string, views: readonly string[]): string {
  if (canonical === 'SHOW DATABASES') return 'SELECT name\nFROM system.databases';
  const [shown, like = ''] = /^SHOW TABLES(?: FROM \w+)?( (?:NOT )?I?LIKE '(?:\\.|[^'\\])*')?$/.exec(canonical) ?? [];
  if (shown !== undefined) {
    const from = / FROM (\w+)/.exec(canonical)?.[1] ?? DATABASE;
    return `SELECT name\nFROM system.tables\nWHERE (database = '${from}')${like && ` AND (name${like})`}\nORDER BY name`;
  }
  const table = new RegExp(`^DESCRIBE TABLE (?:${DATABASE}\\.)?(\\w+)$`).exec(canonical)?.[1];
  return table === undefined || !views.includes(table)
    ? canonical
    : `SELECT ${DESCRIBED}\nFROM system.columns\nWHERE table = '${table}'\nORDER BY position`;
}
