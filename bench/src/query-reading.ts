import type { QueryOptions, QueryParams, Store } from '@perfleet/clickhouse';

export interface Reading {
  readonly statements: number;
  readonly rows: number;
  /** Of columns, decompressed. */
  readonly bytes: number;
}

interface Statement {
  readonly sql: string;
  readonly params: QueryParams;
}

/**
 * Rows and bytes that requests read, by the engine's own account of each of their statements: counters of the whole engine have
 * merges and the API's other work in them.
 */
export class ReadingStore {
  /** The same store; what it is asked with a signal, as requests do, is noted. */
  readonly store: Store;
  private noted: Statement[] = [];

  constructor(private readonly own: Store) {
    const note = (sql: string, params: QueryParams = {}, options: QueryOptions = {}) => {
      if (options.abortSignal) this.noted.push({ sql, params });
    };
    this.store = new Proxy(own, {
      get(target, property) {
        const member = Reflect.get(target, property, target) as unknown;
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          if (property === 'columns' || property === 'native' || property === 'query')
            note(...(args as [string, QueryParams?, QueryOptions?]));
          return Reflect.apply(member, target, args) as unknown;
        };
      },
    });
  }

  /**
   * Makes a request some times and takes the time with the fewest statements, since the API's alerts are looked at meanwhile and in the same
   * way. Those are run once more, and what the engine says of each is added up.
   */
  async reading(request: () => Promise<unknown>): Promise<Reading> {
    let fewest: readonly Statement[] | undefined;
    for (let i = 0; i < 3; i++) {
      this.noted = [];
      await request();
      if (!fewest || this.noted.length < fewest.length) fewest = this.noted;
    }
    const statements = fewest ?? [];
    let [rows, bytes] = [0, 0];
    for (const { sql, params } of statements) {
      const { body } = await this.own.raw({
        sql,
        params: Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)])),
        format: 'JSONCompactStrings',
      });
      const { statistics } = JSON.parse(Buffer.from(body).toString('utf8')) as {
        statistics: { rows_read: number; bytes_read: number };
      };
      rows += statistics.rows_read;
      bytes += statistics.bytes_read;
    }
    return { statements: statements.length, rows, bytes };
  }
}
