import type { NativeResult } from './native.ts';
import type { RowBinaryBlock } from './row-binary.ts';

export interface Column {
  readonly name: string;
  /** ClickHouse type, e.g. `Array(UInt64)`. */
  readonly type: string;
}

/** Values of `{name:Type}` placeholders. A bigint keeps all 64 bits; a Date is sent with milliseconds. */
export type QueryParam = string | number | bigint | boolean | Date | null | readonly QueryParam[];
export type QueryParams = Readonly<Record<string, QueryParam>>;
export type Settings = Readonly<Record<string, string | number | boolean>>;

/** `ingest` is for the aggregator alone, `sql` for queries of users: neither is held up by a long one of another. */
export type ConnectionName = 'ingest' | 'query' | 'sql';

/**
 * Of every insert with a deduplication token: materialized views decide by the token for themselves, so that a repeated insert
 * adds to them what the first one did not, and nothing twice. What a block holds of a key several times is left to merges: sums of a
 * roll-up come out of their view once each, and looking for others is a tenth of the CPU of an insert.
 */
export const insertSettings = (token: string) =>
  ({
    insert_deduplicate: 1,
    insert_deduplication_token: token,
    deduplicate_blocks_in_dependent_materialized_views: 1,
    optimize_on_insert: 0,
  }) as const;

export interface QueryOptions {
  /** Aborting ends the query in the engine too. */
  readonly abortSignal?: AbortSignal;
  /** An aborted query is over when the engine has really let go of it, and not at once: it holds its connection for so long. */
  readonly untilEnd?: boolean;
  readonly settings?: Settings;
  readonly connection?: ConnectionName;
}

/**
 * ClickHouse, in this process or over HTTP. In results 64-bit integers (and wider) are decimal strings, so that ids
 * keep all their bits; 32-bit integers and floats are numbers; DateTime is `YYYY-MM-DD hh:mm:ss` in UTC.
 * Every method rejects with ClickHouseError.
 */
export interface Store {
  readonly kind: 'embedded' | 'server';
  /** Rows as objects keyed by column name. */
  query<T = Record<string, unknown>>(sql: string, params?: QueryParams, options?: QueryOptions): Promise<T[]>;
  /** Rows as arrays beside the columns' names and types. The SQL must not have a FORMAT clause. */
  columns(sql: string, params?: QueryParams, options?: QueryOptions): Promise<{ columns: Column[]; rows: unknown[][] }>;
  /** The answer as typed columns: what many rows of ids are read with. Types as `decodeNative` says. */
  native(sql: string, params?: QueryParams, options?: QueryOptions): Promise<NativeResult>;
  /**
   * Inserts one block, atomically. The same token twice inserts once: the second call is silently dropped.
   * @param columns in the order in which the block's rows were written
   */
  insert(table: string, columns: readonly Column[], block: RowBinaryBlock, token: string): Promise<void>;
  /** A statement without a result: DDL, ALTER, OPTIMIZE. */
  command(sql: string, options?: QueryOptions): Promise<void>;
  /** Any statement with its FORMAT, for the HTTP face. `body` is the data of an INSERT … FORMAT. */
  raw(request: RawRequest): Promise<RawResponse>;
  close(): Promise<void>;
}

export interface RawRequest {
  readonly sql: string;
  readonly body?: Uint8Array;
  readonly format?: string;
  /** The statement has no FORMAT clause, whatever it looks like: `format` holds. */
  readonly fixedFormat?: boolean;
  readonly connection?: ConnectionName;
  /** Placeholders' values as ClickHouse's escaped text, as `param_x` in a URL carries them. */
  readonly params?: Readonly<Record<string, string>>;
  readonly settings?: Settings;
  readonly abortSignal?: AbortSignal;
  /** As of QueryOptions. */
  readonly untilEnd?: boolean;
}

export interface RawResponse {
  readonly body: Uint8Array;
  readonly format: string;
}

/** The engine refused a statement (`code` is ClickHouse's number) or cannot be reached (`code` is 0). */
export class ClickHouseError extends Error {
  override readonly name = 'ClickHouseError';
  /** Of HTTP, where it is not the one that ClickHouse has for the code. */
  readonly status: number | undefined;

  constructor(
    message: string,
    readonly code: number,
    options?: ErrorOptions & { readonly status?: number | undefined },
  ) {
    super(message, options);
    this.status = options?.status;
  }
}

/** Reads `Code: N.` from the engine's text; anything else gets code 0. */
export function toClickHouseError(cause: unknown): ClickHouseError {
  if (cause instanceof ClickHouseError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const own = (cause as { code?: unknown } | null)?.code;
  const code = /Code: (\d+)\./.exec(message)?.[1] ?? (/^\d+$/.test(String(own)) ? String(own) : '0');
  return new ClickHouseError(message, Number(code), { cause });
}
