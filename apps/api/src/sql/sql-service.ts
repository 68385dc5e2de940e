import type { SqlRequest, SqlResponse } from '@perfleet/api-contract';
import { ClickHouseError, type QueryParams, type RawRequest, type RawResponse, type Store } from '@perfleet/clickhouse';
import type { Caller } from '../access/caller.ts';
import { ApiError, badRequest } from '../http/api-error.ts';
import { CODE, firstLine } from '../queries/store-db.ts';
import { parseAst, type AstNode } from './ast.ts';
import { CallerQueue } from './caller-queue.ts';
import { asQuery, catalogOf, translate } from './catalog.ts';
import { outputSettings, splitFormat } from './formats.ts';
import { commonTableNames, refusal } from './guard.ts';
import { LIMIT_CODES, LIMIT_SETTINGS, SQL_LIMITS, SQL_QUEUE } from './limits.ts';
import { rowLimits, type RowLimits } from './row-limits.ts';

/**
 * SQL of users over the public views. ClickHouse's `readonly` lets scalar functions read files, so what runs is decided
 * on the parsed form, by lists of what is allowed, and only then given to the engine with limits:
 *
 *   text -> formatQuery (one statement, canonical) -> names of the catalogue -> EXPLAIN AST -> guard -> that text with SETTINGS
 *
 * The text that is checked and the text that runs are the same, with the same parameters.
 */
export class SqlService {
  private readonly queue = new CallerQueue(SQL_QUEUE);
  private databaseName: Promise<string> | null = null;

  constructor(private readonly store: Store) {}

  /**
   * @param caller whose turn it must be, and what its reading is limited to
   * @throws ApiError 400 with the reason, and the position where the engine tells one; 429 when the caller has too much running; 503
   * while the store is away
   */
  async run(request: SqlRequest, caller: Caller, signal?: AbortSignal): Promise<SqlResponse> {
    const { query, params } = validated(request);
    const start = performance.now();
    const limits = rowLimits(caller.labels, await this.database());
    const answer = await this.queue.run(
      caller.name,
      async () => {
        const canonical = await this.canonical(query, signal);
        const text = await this.prepared(canonical, escapedParams(params), limits, [], signal);
        return this.ask(text, params, signal, undefined, limits);
      },
      signal,
    );
    // The engine holds to it; should it not, an answer is refused and never cut.
    if (answer.rows.length > SQL_LIMITS.resultRows)
      throw new ApiError(400, 'limit', `the query was stopped: ${LIMIT_CODES[396]}`);
    return {
      columns: answer.columns.map(({ name, type }) => ({ name, type })),
      rows: answer.rows,
      tookMs: Math.round(performance.now() - start),
    };
  }

  /**
   * The same for a client of ClickHouse's protocol: an answer in the format that the statement or the request asks for.
   * @param request of whose settings only those that say how values are written count
   * @throws ApiError as `run`
   */
  async raw(request: RawRequest, caller: Caller): Promise<RawResponse> {
    const { query, params } = validated({ query: statementOf(request), params: request.params ?? {} });
    const { abortSignal } = request;
    const limits = rowLimits(caller.labels, await this.database());
    const answer = await this.queue.run(
      caller.name,
      async () => {
        const canonical = await this.canonical(query, abortSignal);
        const { statement, format } = splitFormat(canonical, request.format ?? 'TabSeparated');
        const output = outputSettings(request.settings ?? {});
        const values = params as Record<string, string>;
        const sql = await this.prepared(statement, values, limits, output, abortSignal);
        const asked: RawRequest = {
          ...{ sql, format, fixedFormat: true, params: values },
          ...{ connection: 'sql', abortSignal, untilEnd: true },
        };
        return this.reach(() => this.store.raw(asked), undefined, limits);
      },
      abortSignal,
    );
    if (answer.body.byteLength > SQL_LIMITS.answerBytes)
      throw new ApiError(400, 'limit', `the query was stopped: ${LIMIT_CODES[396]}`);
    return answer;
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

  /** @returns what may run, with its limits. @throws ApiError 400 with the reason why nothing may */
  private async prepared(
    canonical: string,
    params: EscapedParams,
    limits: RowLimits,
    output: readonly string[],
    signal?: AbortSignal,
  ): Promise<string> {
    const { views } = limits;
    const statement = translate(asQuery(canonical, views));
    const word = /^\(*\s*(\w+)/.exec(statement)?.[1] ?? '';
    if (word !== 'SELECT' && word !== 'WITH') {
      throw badRequest(
        `only SELECT, WITH, SHOW TABLES, SHOW DATABASES and DESCRIBE of a public view are allowed, not ${word}`,
      );
    }
    const clause = /^\s*(INTO OUTFILE|FORMAT|SETTINGS)\b/m.exec(statement)?.[1];
    if (clause) throw badRequest(`${clause} is not allowed; the answer has one format and the limits are the server’s`);
    if (/AggregateFunction/i.test(statement)) throw badRequest('states of aggregate functions are not allowed');

    const nodes = await this.parse(statement, params, signal);
    const why = refusal(nodes, {
      views,
      commonTables: commonTableNames(statement),
      existing: await this.existing(signal),
    });
    if (why !== null) throw badRequest(why);
    // Settings behind a UNION would hold for its last part only; a SELECT without FROM has no limits on its result.
    const catalog = catalogOf(statement, views);
    const text = isPlainSelect(nodes) && catalog === '' ? statement : `${catalog}SELECT * FROM (\n${statement}\n)`;
    // `readonly` stands last: once it holds, the others could not be set.
    return `${text}\nSETTINGS ${[...LIMIT_SETTINGS, ...output, ...limits.settings, 'readonly = 1'].join(', ')}`;
  }

  /** As a statement of its own: inside a subquery the engine would apply settings and rewrite before it shows the form. */
  private async parse(statement: string, params: EscapedParams, abortSignal?: AbortSignal): Promise<AstNode[]> {
    const sql = `EXPLAIN AST ${statement}`;
    const asked = { sql, format: 'JSONCompact', fixedFormat: true, params };
    const { body } = await this.reach(() =>
      this.store.raw({ ...asked, connection: 'sql', abortSignal, untilEnd: true }),
    );
    const { data } = JSON.parse(new TextDecoder().decode(body)) as { data: string[][] };
    return parseAst(data.map((row) => row[0] ?? ''));
  }

  /** Asked once, for nobody in particular, and not on the connections that queries of users wait for. */
  private database(): Promise<string> {
    this.databaseName ??= this.reach(() => this.store.columns('SELECT currentDatabase()')).then(
      ({ rows }) => String(rows[0]?.[0] ?? ''),
      (error: unknown) => {
        this.databaseName = null;
        throw error;
      },
    );
    return this.databaseName;
  }

  private async existing(signal?: AbortSignal): Promise<Set<string>> {
    const { rows } = await this.ask('SELECT name FROM system.tables WHERE database = currentDatabase()', {}, signal);
    return new Set(rows.map((row) => String(row[0])));
  }

  private ask(sql: string, params: QueryParams, abortSignal?: AbortSignal, offset?: number, limits?: RowLimits) {
    return this.reach(
      () => this.store.columns(sql, params, { abortSignal, connection: 'sql', untilEnd: true }),
      offset,
      limits,
    );
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

/** A statement that a client cut in two between address and body. */
function statementOf({ sql, body }: RawRequest): string {
  return body?.byteLength ? `${sql}\n${Buffer.from(body).toString('utf8')}` : sql;
}

/** As a URL carries them, and as the engine reads them. */
type EscapedParams = Readonly<Record<string, string>>;

const escapedParams = (params: QueryParams): EscapedParams =>
  Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, value === null ? '\\N' : escapeParam(String(value))]),
  );

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
  const { query, params = {}, ...others } = (request ?? {}) as { query?: unknown; params?: unknown };
  if (typeof query !== 'string') throw badRequest('the body must be {"query": "SELECT …", "params": {…}}');
  // One that thinks that it set a limit, say, must be told that it did not.
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw badRequest(`${unknown.slice(0, 100)} is no field of the body: query and params are`);
  if (query.length > SQL_LIMITS.textLength)
    throw badRequest(`the query is longer than ${SQL_LIMITS.textLength} characters`);
  if (typeof params !== 'object' || params === null || Array.isArray(params))
    throw badRequest('params must be an object');
  const entries = Object.entries(params);
  if (entries.length > SQL_LIMITS.parameters) throw badRequest(`more than ${SQL_LIMITS.parameters} parameters`);
  for (const [name, value] of entries) {
    if (!/^[A-Za-z_]\w{0,63}$/.test(name))
      throw badRequest('a parameter’s name is a letter followed by letters, digits and _');
    if (typeof value !== 'string' && typeof value !== 'number' && value !== null)
      throw badRequest(`parameter ${name} must be a text, a number or null`);
  }
  return { query, params: Object.fromEntries(entries) as QueryParams };
}
