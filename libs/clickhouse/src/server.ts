import { Agent } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { ClickHouseLogLevel, createClient, type ClickHouseClient, type ClickHouseSettings } from '@clickhouse/client';
import { decodeNative } from './native.ts';
import type { RowBinaryBlock } from './row-binary.ts';
import { formatClause, unescapeText } from './sql-text.ts';
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
import { insertSettings, toClickHouseError } from './store.ts';

export interface ServerOptions {
  readonly url: string;
  /** Path of the socket that the server listens at; the address's host and port are not looked at then. */
  readonly socket?: string;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  /** Who runs SQL of users; left out = who runs everything else. */
  readonly sqlUser?: { readonly user: string; readonly password: string };
  /** Of every statement, besides the connection's own. */
  readonly settings?: Settings;
}

/** Its options become those of each connection, so `socketPath` is where all of them go. */
const socketAgent = (socketPath: string, maxSockets: number) =>
  new Agent({ keepAlive: true, maxSockets, ...{ socketPath } });

/** ClickHouse behind its HTTP interface; sockets of ingestion and of queries are separate pools. */
export class ServerStore implements Store {
  readonly kind = 'server';
  private readonly clients: Record<ConnectionName, ClickHouseClient>;

  constructor(private readonly options: ServerOptions) {
    const own = { user: options.user ?? 'default', password: options.password ?? '' };
    const open = (max_open_connections: number, { user, password } = own) =>
      createClient({
        url: options.url,
        username: user,
        password,
        database: options.database ?? 'default',
        max_open_connections,
        ...(options.socket === undefined ? {} : { http_agent: socketAgent(options.socket, max_open_connections) }),
        request_timeout: 120_000,
        // What fails comes back as an error; the client would print each attempt besides.
        log: { level: ClickHouseLogLevel.OFF },
        clickhouse_settings: {
          output_format_json_quote_64bit_integers: 1,
          async_insert: 0,
          session_timezone: 'UTC',
          // Errors must come before the first byte of the answer.
          wait_end_of_query: 1,
          ...options.settings,
        } as ClickHouseSettings,
      });
    this.clients = { ingest: open(4), query: open(16), sql: open(4, options.sqlUser) };
  }

  async query<T>(sql: string, params: QueryParams = {}, options: QueryOptions = {}): Promise<T[]> {
    const { columns, rows } = await this.columns(sql, params, options);
    return rows.map((row) => Object.fromEntries(columns.map((column, i) => [column.name, row[i]])) as T);
  }

  async columns(sql: string, params: QueryParams = {}, options: QueryOptions = {}) {
    const result = await this.guard(() =>
      this.client(options).query({
        query: sql,
        format: 'JSONCompact',
        query_params: { ...params },
        ...passed(options),
      }),
    );
    const body = await this.guard(() => result.json<unknown[]>());
    return { columns: (body.meta ?? []) as Column[], rows: body.data };
  }

  async native(sql: string, params: QueryParams = {}, options: QueryOptions = {}) {
    const { abort_signal, clickhouse_settings } = passed(options);
    const body = await this.exec(sql, options.connection ?? 'query', {
      query_params: { ...params },
      clickhouse_settings: { ...clickhouse_settings, ...defaultFormat('Native') },
      abort_signal,
    });
    return decodeNative(body);
  }

  async command(sql: string, options: QueryOptions = {}): Promise<void> {
    await this.guard(() => this.client(options).command({ query: sql, ...passed(options) }));
  }

  async insert(table: string, columns: readonly Column[], block: RowBinaryBlock, token: string): Promise<void> {
    if (block.rows === 0) return;
    const names = columns.map((c) => `\`${c.name}\``).join(', ');
    await this.exec(`INSERT INTO ${table} (${names}) FORMAT RowBinary`, 'ingest', {
      values: Readable.from([block.bytes()], { objectMode: false }),
      clickhouse_settings: {
        ...insertSettings(token),
        max_insert_block_size: String(1 << 28),
      } as ClickHouseSettings,
    });
  }

  async raw(request: RawRequest): Promise<RawResponse> {
    const format = (request.fixedFormat ? null : formatClause(request.sql)) ?? request.format ?? 'TabSeparated';
    const params = Object.entries(request.params ?? {}).map(([k, v]) => [k, unescapeText(v)] as const);
    const body = await this.exec(request.sql, request.connection ?? 'query', {
      ...(request.body?.byteLength ? { values: Readable.from([request.body], { objectMode: false }) } : {}),
      query_params: Object.fromEntries(params),
      clickhouse_settings: { ...request.settings, ...defaultFormat(format) } as ClickHouseSettings,
      abort_signal: request.abortSignal,
    });
    return { body, format };
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.clients).map((client) => client.close()));
  }

  private client(options: QueryOptions): ClickHouseClient {
    return this.clients[options.connection ?? 'query'];
  }

  private async exec(query: string, lane: ConnectionName, options: object): Promise<Buffer> {
    const { stream } = await this.guard(() => this.clients[lane].exec({ query, ...options }));
    return this.guard(() => buffer(stream));
  }

  private async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      const code = (cause as { code?: unknown } | null)?.code;
      throw toClickHouseError(
        code === 'ECONNREFUSED' || code === 'ENOTFOUND'
          ? new Error(
              `cannot reach ClickHouse at ${withoutPassword(this.options.url)} (${String(code)}); check the address and that it runs`,
              { cause },
            )
          : cause,
      );
    }
  }
}

/** A parameter of the HTTP interface that the client's list of settings does not have. */
const defaultFormat = (format: string) => ({ default_format: format }) as object as ClickHouseSettings;

const passed = (options: QueryOptions) => ({
  abort_signal: options.abortSignal,
  clickhouse_settings: { ...options.settings } as ClickHouseSettings,
});

function withoutPassword(url: string): string {
  const shown = new URL(url);
  shown.password = '';
  return shown.href;
}
