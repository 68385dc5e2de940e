import { ClickHouseError, type QueryOptions, type QueryParams, type Store } from '@perfleet/clickhouse';
import { ApiError } from '../http/api-error.ts';
import type { Answer, AskOptions, Db } from './db.ts';

/** ClickHouse's error numbers that mean something to the caller. */
export const CODE = { unavailable: 0, timeout: 159, memory: 241, aborted: 394, regexp: 427 } as const;

/** Characters of a query that the engine parses unless it is told to take more: its default is 256 KiB. */
const PARSED = 200_000;

export class StoreDb implements Db {
  constructor(private readonly store: Store) {}

  ask(sql: string, params: Readonly<Record<string, unknown>> = {}, options: AskOptions = {}): Promise<Answer> {
    return this.run(sql, options, (text, limits) => this.store.columns(text, params as QueryParams, limits));
  }

  native(sql: string, params: Readonly<Record<string, unknown>> = {}, options: AskOptions = {}) {
    return this.run(sql, options, (text, limits) => this.store.native(text, params as QueryParams, limits));
  }

  private async run<T>(
    sql: string,
    options: AskOptions,
    query: (text: string, limits: QueryOptions) => Promise<T>,
  ): Promise<T> {
    const seconds = options.seconds ?? 60;
    try {
      const text = `${sql}\nSETTINGS max_execution_time = ${seconds}`;
      const long = text.length > PARSED ? { settings: { max_query_size: text.length * 2 } } : {};
      return await query(text, { abortSignal: options.signal, ...long });
    } catch (cause) {
      throw toApiError(cause, seconds);
    }
  }
}

/** The API's own queries: the only thing of the user in them that ClickHouse can refuse is a regular expression. */
export function toApiError(cause: unknown, seconds: number): unknown {
  if (!(cause instanceof ClickHouseError)) return cause;
  const because = { cause };
  switch (cause.code) {
    case CODE.unavailable:
      return new ApiError(
        503,
        'store-unavailable',
        `the profile store does not answer: ${cause.message}`,
        undefined,
        because,
      );
    case CODE.regexp:
      return new ApiError(
        400,
        'bad-request',
        `not an RE2 regular expression: ${firstLine(cause.message)}`,
        undefined,
        because,
      );
    case CODE.timeout:
      return new ApiError(
        503,
        'timeout',
        `the query took longer than ${seconds} s; narrow the time range or the selector`,
        undefined,
        because,
      );
    case CODE.memory:
      return new ApiError(
        503,
        'memory',
        'the query needs more memory than it may have; narrow the time range or the selector',
        undefined,
        because,
      );
    case CODE.aborted:
      return new ApiError(499, 'aborted', 'the client went away', undefined, because);
    default:
      return cause;
  }
}

/** The engine's message without its advice, its version and the query. */
export function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '')
    .replace(/^Code: \d+\. (DB::Exception: )?/, '')
    .replace(/\. Look at https.*$|: [Ii]n scope .*$| \(version .*$/s, '')
    .slice(0, 1000);
}
