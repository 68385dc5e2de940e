import type { LabelLimits } from '@perfleet/tokens';
import type { SqlRequest, SqlResponse } from '@perfleet/api-contract';
import { ClickHouseError, type QueryParams, type Store } from '@perfleet/clickhouse';
import { ApiError, badRequest } from '../http/api-error.ts';
import { CODE, firstLine } from '../queries/store-db.ts';
import { parseAst, type AstNode } from './ast.ts';
import { commonTableNames, refusal } from './guard.ts';
import { rowLimits, type RowLimits } from './row-limits.ts';

/** Bounds of one query of a user. */
export const SQL_LIMITS = {
  textLength: 100_000,
  seconds: 30,
  resultRows: 10_000,
  resultBytes: 64 << 20,
  memoryBytes: 2 * 2 ** 30,
  parameters: 100,
};

const LIMIT_CODES: Readonly<Record<number, string>> = {
  158: 'it reads more rows than allowed',
  159: `it took longer than ${SQL_LIMITS.seconds} s`,
  160: 'it would take too long',
  191: 'a set in it is too large',
  241: 'it needs more memory than it may have',
  307: 'it reads more bytes than allowed',
  396: `its result is larger than ${SQL_LIMITS.resultRows} rows or ${SQL_LIMITS.resultBytes >> 20} MiB; add LIMIT`,
};

const SETTINGS = [
  `max_execution_time = ${SQL_LIMITS.seconds}`,
  `timeout_overflow_mode = 'throw'`,
  `max_memory_usage = ${SQL_LIMITS.memoryBytes}`,
  `max_rows_to_read = 10000000000`,
  `max_bytes_to_read = 1000000000000`,
  `max_result_rows = ${SQL_LIMITS.resultRows}`,
  `max_result_bytes = ${SQL_LIMITS.resultBytes}`,
  `result_overflow_mode = 'throw'`,
  `max_subquery_depth = 32`,
  `allow_introspection_functions = 0`,
  `allow_ddl = 0`,
];

/**
 * SQL of users over the public views. ClickHouse's `readonly` lets scalar functions read files, so what runs is decided
 * on the parsed form, by lists of what is allowed, and only then given to the engine with limits:
 *
 *   text -> formatQuery (one statement, canonical) -> EXPLAIN AST -> guard -> canonical text with SETTINGS
 *
 * The text that is checked and the text that runs are the same, with the same parameters.
 */
export class SqlService {
  constructor(private readonly store: Store) {}

  /**
   * @param labels what the caller's reading is limited to
   * @throws ApiError 400 with the reason, and the position where the engine tells one; 503 while the store is away
   */
  async run(request: SqlRequest, signal?: AbortSignal, labels: LabelLimits = {}): Promise<SqlResponse> {
    const { query, params } = validated(request);
    const start = performance.now();
    const canonical = await this.canonical(query, signal);
    const answer = await this.execute(canonical, params, rowLimits(labels), signal);
    // The engine holds to it; should it not, an answer is refused and never cut.
    if (answer.rows.length > SQL_LIMITS.resultRows)
      throw new ApiError(400, 'limit', `the query was stopped: ${LIMIT_CODES[396]}`);
    return {
      columns: answer.columns.map(({ name, type }) => ({ name, type })),
      rows: answer.rows,
      tookMs: Math.round(performance.now() - start),
    };
  }

  private async canonical(query: string, signal?: AbortSignal): Promise<string> {
    const text = query.trim().replace(/(\s*;)+$/, '');
    // The embedded engine runs several statements of one text: none may pass, not even inside a string.
    const semicolon = query.indexOf(';');
    if (text.includes(';')) {
      throw badRequest('one statement only, without semicolons; pass a text that holds one as a parameter', semicolon);
    }
    if (text === '') throw badRequest('the query is empty', 0);
    const { rows } = await this.ask('SELECT formatQuery({q:String})', { q: text }, signal, query.indexOf(text));
    const canonical = String(rows[0]?.[0]);
    // Written as an escape in a string, it is one in the canonical text.
    if (canonical.includes(';')) throw badRequest('one statement only, without semicolons, escaped ones included');
    return canonical;
  }

  private async execute(canonical: string, params: QueryParams, limits: RowLimits, signal?: AbortSignal) {
    const { views } = limits;
    if (canonical === 'SHOW TABLES')
      return { columns: [{ name: 'name', type: 'String' }], rows: views.map((name) => [name]) };
    const described = /^DESCRIBE TABLE (\w+)$/.exec(canonical)?.[1];
    if (described !== undefined && views.includes(described)) {
      const { columns, rows } = await this.ask(`DESCRIBE TABLE ${described}`, {}, signal);
      return { columns: columns.slice(0, 2), rows: rows.map((row) => row.slice(0, 2)) };
    }
    const statement = /^\(*\s*(\w+)/.exec(canonical)?.[1] ?? '';
    if (statement !== 'SELECT' && statement !== 'WITH') {
      throw badRequest(`only SELECT, WITH, SHOW TABLES and DESCRIBE of a public view are allowed, not ${statement}`);
    }
    const clause = /^\s*(INTO OUTFILE|FORMAT|SETTINGS)\b/m.exec(canonical)?.[1];
    if (clause) throw badRequest(`${clause} is not allowed; the answer has one format and the limits are the server’s`);
    if (/AggregateFunction/i.test(canonical)) throw badRequest('states of aggregate functions are not allowed');

    const nodes = await this.parse(canonical, params, signal);
    const why = refusal(nodes, {
      views,
      commonTables: commonTableNames(canonical),
      existing: await this.existing(signal),
    });
    if (why !== null) throw badRequest(why);
    // Settings behind a UNION would hold for its last part only; a SELECT without FROM has no limits on its result.
    const text = isPlainSelect(nodes) ? canonical : `SELECT * FROM (\n${canonical}\n)`;
    // `readonly` stands last: once it holds, the others could not be set.
    const settings = [...SETTINGS, ...limits.settings, 'readonly = 1'].join(', ');
    return this.ask(`${text}\nSETTINGS ${settings}`, params, signal, undefined, limits);
  }

  /** As a statement of its own: inside a subquery the engine would apply settings and rewrite before it shows the form. */
  private async parse(canonical: string, params: QueryParams, abortSignal?: AbortSignal): Promise<AstNode[]> {
    const escaped = Object.entries(params).map(([name, value]) => [name, escapeParam(String(value))]);
    const { body } = await this.reach(() =>
      this.store.raw({
        sql: `EXPLAIN AST ${canonical}`,
        format: 'JSONCompact',
        params: Object.fromEntries(escaped) as Record<string, string>,
        abortSignal,
      }),
    );
    const { data } = JSON.parse(new TextDecoder().decode(body)) as { data: string[][] };
    return parseAst(data.map((row) => row[0] ?? ''));
  }

  private async existing(signal?: AbortSignal): Promise<Set<string>> {
    const { rows } = await this.ask('SELECT name FROM system.tables WHERE database = currentDatabase()', {}, signal);
    return new Set(rows.map((row) => String(row[0])));
  }

  private ask(sql: string, params: QueryParams, abortSignal?: AbortSignal, offset?: number, limits?: RowLimits) {
    return this.reach(() => this.store.columns(sql, params, { abortSignal }), offset, limits);
  }

  /** @param offset of the statement inside what the user sent, for positions */
  private async reach<T>(call: () => Promise<T>, offset?: number, limits?: RowLimits): Promise<T> {
    try {
      return await call();
    } catch (cause) {
      if (!(cause instanceof ClickHouseError)) throw cause;
      const because = { cause };
      if (cause.code === CODE.unavailable) {
        throw new ApiError(
          503,
          'store-unavailable',
          `the profile store does not answer: ${cause.message}`,
          undefined,
          because,
        );
      }
      if (cause.code === CODE.aborted) throw new ApiError(499, 'aborted', 'the client went away', undefined, because);
      const limit = LIMIT_CODES[cause.code];
      if (limit) throw new ApiError(400, 'limit', `the query was stopped: ${limit}`, undefined, because);
      if (limits?.tells(cause.code) === false)
        throw new ApiError(
          400,
          'bad-query',
          `the query failed with code ${cause.code} of ClickHouse; its words may hold what this token does not see`,
          undefined,
          because,
        );
      const at = /failed at position (\d+)/.exec(cause.message)?.[1];
      const position = at !== undefined && offset !== undefined ? offset + Number(at) - 1 : undefined;
      throw new ApiError(400, 'bad-query', firstLine(cause.message), position, because);
    }
  }
}

/** Values travel in ClickHouse's escaped form. */
function escapeParam(value: string): string {
  const names: Readonly<Record<string, string>> = {
    '\\': '\\\\',
    '\t': '\\t',
    '\n': '\\n',
    '\r': '\\r',
    '\b': '\\b',
    '\f': '\\f',
    '\0': '\\0',
  };
  return value.replace(/[\\\t\n\r\x08\f\0]/g, (c) => names[c] ?? c);
}

function isPlainSelect(nodes: readonly AstNode[]): boolean {
  const list = nodes.findIndex((n) => n.parent === 0 && n.type === 'ExpressionList');
  const selects = nodes.filter((n) => n.parent === list);
  if (selects.length !== 1 || selects[0]?.type !== 'SelectQuery') return false;
  const select = nodes.indexOf(selects[0]);
  return nodes.some((n) => n.parent === select && n.type === 'TablesInSelectQuery');
}

function validated(request: unknown): { query: string; params: QueryParams } {
  const { query, params = {} } = (request ?? {}) as { query?: unknown; params?: unknown };
  if (typeof query !== 'string') throw badRequest('the body must be {"query": "SELECT …", "params": {…}}');
  if (query.length > SQL_LIMITS.textLength)
    throw badRequest(`the query is longer than ${SQL_LIMITS.textLength} characters`);
  if (typeof params !== 'object' || params === null || Array.isArray(params))
    throw badRequest('params must be an object');
  const entries = Object.entries(params);
  if (entries.length > SQL_LIMITS.parameters) throw badRequest(`more than ${SQL_LIMITS.parameters} parameters`);
  for (const [name, value] of entries) {
    if (!/^[A-Za-z_]\w{0,63}$/.test(name))
      throw badRequest('a parameter’s name is a letter followed by letters, digits and _');
    if (typeof value !== 'string' && typeof value !== 'number')
      throw badRequest(`parameter ${name} must be a text or a number`);
  }
  return { query, params: Object.fromEntries(entries) as QueryParams };
}
