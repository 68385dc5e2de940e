import type { NativeResult } from '@perfleet/clickhouse';

/** Rows as the store answers them: 64-bit integers are strings. */
export interface Answer {
  readonly columns: ReadonlyArray<{ readonly name: string; readonly type: string }>;
  readonly rows: readonly (readonly unknown[])[];
}

export interface AskOptions {
  readonly signal?: AbortSignal;
  /** Seconds after which the store gives up. */
  readonly seconds?: number;
}

/**
 * What the API asks of the profile store.
 * @throws ApiError 400 for what the user wrote (a bad regular expression), 503 while the store is away
 */
export interface Db {
  /** For short answers. */
  ask(sql: string, params?: Readonly<Record<string, unknown>>, options?: AskOptions): Promise<Answer>;
  /** For long ones: typed columns, no text per row. */
  native(sql: string, params?: Readonly<Record<string, unknown>>, options?: AskOptions): Promise<NativeResult>;
}
