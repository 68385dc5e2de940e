import { randomUUID } from 'node:crypto';
import { accessSync, constants, rmSync } from 'node:fs';
import { unlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import type { Session } from 'chdb';
import { makeBlockDirectory, makeDirectory } from './block-files.ts';
import { Lanes } from './lanes.ts';
import { decodeNative } from './native.ts';
import type { RowBinaryBlock } from './row-binary.ts';
import { bindParams, formatClause, paramText, parseInsertFormat, quote, settingsList } from './sql-text.ts';
import type {
  Column,
  ConnectionName,
  QueryOptions,
  QueryParams,
  RawRequest,
  RawResponse,
  Settings,
  Store,
} from './store.ts';
import { ClickHouseError, insertSettings, toClickHouseError } from './store.ts';
import { Structures } from './structures.ts';

/** Loaded by whoever opens a store in its process: 140 MB of it are resident from then on, and who talks to a server needs none. */
const engine = () => createRequire(import.meta.url)('chdb') as typeof import('chdb');

/** For the whole connection: results that keep 64 bits, times in UTC, inserts that are done when they return. */
const CONNECTION_SETTINGS: Settings = {
  output_format_json_quote_64bit_integers: 1,
  async_insert: 0,
  session_timezone: 'UTC',
};
const CONNECTION_ARGS = Object.entries(CONNECTION_SETTINGS).map(([name, value]) => `--${name}=${value}`);
const QUERY_LANES = 2;
/** As many as the API lets run at a time. */
const SQL_LANES = 3;

/**
 * Directory that this process has open, by how many stores, where their blocks are put, and the columns of its tables. The engine is one
 * per process: asked for a second directory it does not answer, so that is refused here.
 */
const opened = { directory: '', stores: 0, blocks: '', columns: new Structures<DescribedColumn[]>() };

interface DescribedColumn {
  readonly name: string;
  readonly type: string;
  readonly default_type: string;
}

/** Settings of the HTTP layer, which the engine in this process does not know. */
const HTTP_ONLY =
  /^(wait_end_of_query|send_progress_in_http_headers|http_.*|enable_http_compression|buffer_size|compress|decompress|readonly)$/;

/**
 * ClickHouse in this process. One process may open a data directory; within it several connections share it: one for
 * ingestion, one that ends aborted queries, some for SQL of users, the others for queries.
 */
export class EmbeddedStore implements Store {
  readonly kind = 'embedded';
  private readonly ingest: Lanes<Session>;
  private readonly queries: Lanes<Session>;
  private readonly sql: Lanes<Session>;
  private readonly control: Lanes<Session>;
  private closed = false;

  /**
   * @param configFile of the engine, as a server has one; of the first store that a process opens
   * @throws ClickHouseError that names the directory and the fix
   */
  constructor(path: string, { configFile }: { readonly configFile?: string } = {}) {
    const directory = resolve(path);
    const args = configFile === undefined ? CONNECTION_ARGS : [...CONNECTION_ARGS, `--config-file=${configFile}`];
    const sessions = openSessions(directory, QUERY_LANES + SQL_LANES + 2, args);
    this.ingest = new Lanes(sessions.slice(0, 1));
    this.control = new Lanes(sessions.slice(1, 2));
    this.sql = new Lanes(sessions.slice(2, 2 + SQL_LANES));
    this.queries = new Lanes(sessions.slice(2 + SQL_LANES));
    if (opened.stores === 1) opened.blocks = makeBlockDirectory(directory);
  }

  async query<T>(sql: string, params: QueryParams = {}, options: QueryOptions = {}): Promise<T[]> {
    const { columns, rows } = await this.columns(sql, params, options);
    return rows.map((row) => Object.fromEntries(columns.map((column, i) => [column.name, row[i]])) as T);
  }

  async columns(sql: string, params: QueryParams = {}, options: QueryOptions = {}) {
    const text = await this.run(bindParams(sql, texts(params)), 'JSONCompact', options);
    if (text.byteLength === 0) return { columns: [], rows: [] };
    const result = JSON.parse(text.toString('utf8')) as { meta: Column[]; data: unknown[][] };
    return { columns: result.meta, rows: result.data };
  }

  async native(sql: string, params: QueryParams = {}, options: QueryOptions = {}) {
    return decodeNative(await this.run(bindParams(sql, texts(params)), 'Native', options));
  }

  async command(sql: string, options: QueryOptions = {}): Promise<void> {
    await this.run(sql, 'Null', options);
  }

  async insert(table: string, columns: readonly Column[], block: RowBinaryBlock, token: string): Promise<void> {
    if (block.rows === 0) return;
    const names = columns.map((c) => `\`${c.name}\``).join(', ');
    const structure = columns.map((c) => `\`${c.name}\` ${c.type}`).join(', ');
    await this.insertBlock(`${table} (${names})`, structure, 'RowBinary', block.bytes(), insertSettings(token));
  }

  async raw(request: RawRequest): Promise<RawResponse> {
    const settings = Object.fromEntries(
      Object.entries(request.settings ?? {}).filter(([name]) => !HTTP_ONLY.test(name)),
    );
    const insert = parseInsertFormat(request.sql);
    if (insert && insert.format.toLowerCase() !== 'values') {
      const { body: sent = Buffer.alloc(0) } = request;
      // Not copied where there is nothing to put before it: blocks are megabytes.
      const body = insert.data === '' ? sent : Buffer.concat([Buffer.from(insert.data), sent]);
      if (body.byteLength > 0) {
        const structure = await this.structure(insert.into, insert.columns);
        const target = insert.columns === null ? insert.into : `${insert.into} (${insert.columns})`;
        await this.insertBlock(target, structure, insert.format, body, settings).catch((cause) => {
          // Nobody else changes a table; should somebody, it costs one insert.
          opened.columns.forget();
          throw cause;
        });
      }
      return { body: Buffer.alloc(0), format: insert.format };
    }
    const sql = request.body?.byteLength
      ? `${request.sql}\n${Buffer.from(request.body).toString('utf8')}`
      : request.sql;
    const format = (request.fixedFormat ? null : formatClause(sql)) ?? request.format ?? 'TabSeparated';
    const { abortSignal, connection, untilEnd } = request;
    const options = { settings, abortSignal, connection, untilEnd };
    const body = await this.run(bindParams(sql, request.params ?? {}, { escaped: true }), format, options);
    return { body, format };
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    const all = [this.queries, this.sql, this.control, this.ingest];
    await this.endQueries();
    await Promise.all(all.map((lanes) => lanes.idle()));
    for (const lanes of all) for (const session of lanes.sessions()) session.close();
    await engine().drainPending();
    opened.stores--;
    opened.columns.forget();
    if (opened.stores === 0) rmSync(opened.blocks, { recursive: true, force: true });
  }

  /** Ends what is being read: nobody waits for the answer any more, and an engine that is still at work cannot be closed. */
  private async endQueries(): Promise<void> {
    if (!this.queries.busy() && !this.sql.busy()) return;
    await this.control
      .run((session) => session.queryAsync("KILL QUERY WHERE query_kind = 'Select' ASYNC", { format: 'Null' }))
      .catch(() => undefined);
  }

  /**
   * The addon reads an INSERT's data as UTF-8 text, which corrupts binary formats: the block goes through a file in memory.
   * One thread and one block, so that the deduplication token covers all of it.
   */
  private async insertBlock(target: string, structure: string, format: string, body: Uint8Array, settings: Settings) {
    if (!/^\w+$/.test(format)) throw new ClickHouseError(`Code: 73. Unknown format ${format}.`, 73);
    const file = join(opened.blocks, randomUUID());
    await writeFile(file, body);
    try {
      const all: Settings = {
        max_insert_threads: 1,
        max_threads: 1,
        max_insert_block_size: 1 << 28,
        min_insert_block_size_rows: 1 << 28,
        min_insert_block_size_bytes: 1 << 30,
        max_block_size: 1 << 24,
        input_format_parallel_parsing: 0,
        ...settings,
      };
      // In the statement and not around it: one round trip through the engine instead of three.
      const from = `file(${quote(file)}, ${format}, ${quote(structure)})`;
      const sql = `INSERT INTO ${target} SETTINGS ${settingsList(all)} SELECT * FROM ${from}`;
      await this.run(sql, 'Null', { connection: 'ingest' });
    } finally {
      await unlink(file);
    }
  }

  /** Names and types of an INSERT's columns, from the table. */
  private async structure(table: string, columns: string | null): Promise<string> {
    const rows = await opened.columns.of(table, () => this.query<DescribedColumn>(`DESCRIBE TABLE ${table}`));
    const wanted = columns?.split(',').map((c) => c.trim().replace(/^[`"]|[`"]$/g, ''));
    const named = wanted
      ? wanted.map((name) => rows.find((row) => row.name === name) ?? { name, type: 'String', default_type: '' })
      : rows.filter((row) => !['MATERIALIZED', 'ALIAS'].includes(row.default_type));
    return named.map((row) => `\`${row.name}\` ${withoutDictionary(row.type)}`).join(', ');
  }

  private lanes(connection: ConnectionName = 'query'): Lanes<Session> {
    return { ingest: this.ingest, query: this.queries, sql: this.sql }[connection];
  }

  private run(sql: string, format: string, options: QueryOptions): Promise<Buffer> {
    return opened.columns.around(sql, () => this.runStatement(sql, format, options));
  }

  private async runStatement(sql: string, format: string, options: QueryOptions): Promise<Buffer> {
    if (this.closed) throw new ClickHouseError('The store is closed.', 0);
    const { abortSignal } = options;
    abortSignal?.throwIfAborted();
    const lanes = this.lanes(options.connection);
    const settings = Object.entries(options.settings ?? {});
    const id = randomUUID();
    const work = lanes.run(async (session) => {
      abortSignal?.throwIfAborted();
      if (settings.length > 0) await session.queryAsync(`SET ${settingsList(Object.fromEntries(settings))}`);
      try {
        const text = abortSignal ? `/*query:${id}*/ ${sql}` : sql;
        return Buffer.from((await session.queryAsync(text, { format })).bytes());
      } catch (cause) {
        // What a failed query had written already would stand before the next answer of this connection.
        await session.queryAsync('SELECT 1', { format: 'Null' }).catch(() => undefined);
        throw cause;
      } finally {
        // A setting belongs to its query: the next one on this connection starts with the connection's own.
        if (settings.length > 0) await session.queryAsync(`SET ${settings.map(([name]) => resetOf(name)).join(', ')}`);
      }
    });
    try {
      return await (abortSignal ? this.abortable(work, abortSignal, id, options.untilEnd) : work);
    } catch (cause) {
      if (abortSignal?.aborted) throw new ClickHouseError('The query was aborted.', 394, { cause });
      throw toClickHouseError(cause);
    }
  }

  /** Ends an aborted query in the engine; its connection is used again only after that. Rejects at once unless `untilEnd`. */
  private async abortable<T>(work: Promise<T>, signal: AbortSignal, id: string, untilEnd = false): Promise<T> {
    let stop: (() => void) | undefined;
    const aborted = new Promise<never>((_, reject) => {
      stop = () => {
        if (!untilEnd) reject(signal.reason);
        // ASYNC: waiting for the end of the query can block for ever inside the engine.
        void this.control
          .run((s) => s.queryAsync(`KILL QUERY WHERE position(query, concat('query:', '${id}')) > 0 ASYNC`))
          .catch(() => undefined);
      };
      signal.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([work, aborted]);
    } finally {
      if (stop) signal.removeEventListener('abort', stop);
    }
  }
}

/** Numbers in a dictionary are a matter of the table: of what is inserted, the engine calls such a column suspicious and refuses it. */
const withoutDictionary = (type: string) => type.replace(/LowCardinality\(((?:U?Int|Float)\d+)\)/g, '$1');

const resetOf = (name: string) =>
  name in CONNECTION_SETTINGS ? settingsList({ [name]: CONNECTION_SETTINGS[name]! }) : `${name} = DEFAULT`;

const texts = (params: QueryParams) => Object.fromEntries(Object.entries(params).map(([k, v]) => [k, paramText(v)]));

function openSessions(directory: string, count: number, connectionArgs: string[]): Session[] {
  try {
    makeDirectory(directory);
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ClickHouseError(
      `The data directory ${directory} cannot be written (${why}): make it writable or choose another one.`,
      0,
      { cause },
    );
  }
  const { Session } = engine();
  const sessions: Session[] = [];
  if (opened.stores > 0 && opened.directory !== directory) {
    throw new ClickHouseError(
      `The data directory ${directory} cannot be opened: this process holds ${opened.directory} already, and the engine opens one directory per process. ` +
        `Close the other store first or use another process.`,
      0,
    );
  }
  try {
    for (let i = 0; i < count; i++) sessions.push(new Session(directory, { connectionArgs }));
    opened.directory = directory;
    opened.stores++;
    return sessions;
  } catch (cause) {
    for (const session of sessions) session.close();
    throw new ClickHouseError(
      `The data directory ${directory} cannot be opened: another process holds it, or its files are damaged. ` +
        `Stop the other process, use its HTTP address instead, or choose another directory.`,
      0,
      { cause },
    );
  }
}
