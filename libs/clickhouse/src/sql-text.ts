import { ClickHouseError } from './store.ts';

/**
 * Pieces of SQL text: a scanner that knows what is quoted and what is a comment, so that neither a `;` nor a `{` inside
 * a string is taken for syntax.
 */
export const TOKEN =
  /'(?:[^'\\]|\\[\s\S]|'')*'|"(?:[^"\\]|\\[\s\S])*"|`(?:[^`\\]|\\[\s\S])*`|--[^\n]*|\/\*[\s\S]*?\*\/|\{\s*([A-Za-z_]\w*)\s*:\s*([^{}]+?)\s*\}|;|[^'"`\-/{;]+|[\s\S]/g;

/** Statements of a script, without comments at their start and without the semicolons. */
export function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let current = '';
  for (const [token] of script.matchAll(TOKEN)) {
    if (token === ';') {
      statements.push(current);
      current = '';
    } else if (!token.startsWith('--')) current += token;
  }
  statements.push(current);
  return statements.map((s) => s.trim()).filter((s) => s !== '');
}

/** A string as a SQL literal. */
export function quote(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&').replaceAll('\0', '\\0')}'`;
}

export function quoteIdentifier(name: string): string {
  return `\`${name.replace(/[\\`]/g, '\\$&')}\``;
}

/**
 * Replaces `{name:Type}` by literals. The embedded engine keeps parameter values per process and not per connection, so
 * that two queries at once would see each other's: here they are part of the text, typed by a cast.
 * @param params values as ClickHouse's text form
 * @param escaped whether they are as a URL carries them: plain texts escaped, what is inside of arrays and their kind quoted instead
 */
export function bindParams(
  sql: string,
  params: Readonly<Record<string, string | null>>,
  { escaped = false }: { readonly escaped?: boolean } = {},
): string {
  let out = '';
  for (const [token, name, type] of sql.matchAll(TOKEN)) {
    if (name === undefined || type === undefined) {
      out += token;
      continue;
    }
    const given = params[name];
    if (given === undefined)
      throw new ClickHouseError(`Code: 456. Substitution \`${name}\` is not set: pass the parameter ${name}.`, 456);
    const value = escaped && given !== null && !isComposite(type) ? unescapeText(given) : given;
    if (type === 'Identifier') out += quoteIdentifier(value ?? '');
    else if (value === null) out += 'NULL';
    else out += `_CAST(${quote(value)}, ${quote(type)})`;
  }
  return out;
}

const isComposite = (type: string) => /^(Array|Map|Tuple|Nested|Variant)\b/.test(type);

/** A JavaScript value as ClickHouse's text form; strings are quoted only inside arrays. */
export function paramText(value: unknown, nested = false): string | null {
  if (value === null || value === undefined) return nested ? 'NULL' : null;
  if (Array.isArray(value)) return `[${value.map((v) => paramText(v, true)).join(',')}]`;
  if (value instanceof Date) return quoted(value.toISOString().replace('T', ' ').replace('Z', ''), nested);
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'string') return quoted(value, nested);
  return String(value);
}

const quoted = (text: string, nested: boolean) => (nested ? quote(text) : text);

const ESCAPES: Record<string, string> = { t: '\t', n: '\n', r: '\r', b: '\b', f: '\f', '0': '\0' };

/** Undoes the escaping of `param_x` in a URL (the TabSeparated rules). */
export function unescapeText(text: string): string | null {
  if (text === '\\N') return null;
  return text.replace(/\\([\s\S])/g, (_, c: string) => ESCAPES[c] ?? c);
}

/** The statement's own FORMAT clause, when it has one at its end (before SETTINGS). */
export function formatClause(sql: string): string | null {
  // A text may hold the words; what is quoted or commented is none of the statement's.
  const bare = Array.from(sql.matchAll(TOKEN), ([token]) =>
    /^(?:--|\/\*)/.test(token) ? ' ' : /^['"`]./s.test(token) ? ' _ ' : token,
  ).join('');
  return /\bFORMAT\s+(\w+)\s*(?:\bSETTINGS\b[\s\S]*)?;?\s*$/i.exec(bare)?.[1] ?? null;
}

/** Splits `INSERT INTO t (a, b) [SETTINGS …] FORMAT F` and the data after it, if any. Null for another statement. */
export function parseInsertFormat(
  sql: string,
): { into: string; columns: string | null; format: string; data: string } | null {
  const match =
    /^\s*INSERT\s+INTO\s+(?:TABLE\s+)?((?:`[^`]+`|"[^"]+"|\w+)(?:\.(?:`[^`]+`|"[^"]+"|\w+))?)\s*(\([^()]*\))?\s*(?:SETTINGS\s+[\s\S]*?)?\s*FORMAT\s+(\w+)[^\S\n]*;?\n?([\s\S]*)$/i.exec(
      sql,
    );
  if (!match) return null;
  return {
    into: match[1] ?? '',
    columns: match[2]?.slice(1, -1) ?? null,
    format: match[3] ?? '',
    data: match[4] ?? '',
  };
}

/** Settings as `a = 1, b = 'x'`. */
export function settingsList(settings: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(settings)
    .map(([name, value]) => {
      if (!/^[A-Za-z_]\w*$/.test(name))
        throw new ClickHouseError(`Code: 115. Setting name ${JSON.stringify(name)} is not an identifier.`, 115);
      return `${name} = ${typeof value === 'string' ? quote(value) : Number(value)}`;
    })
    .join(', ');
}
