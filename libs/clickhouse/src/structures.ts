/** Tables whose columns are kept: more than a schema has. */
const MOST = 256;
/** Statements that leave the columns of every table as they are. Whatever begins otherwise may change some. */
const KEEPS_COLUMNS = /^\s*\(?\s*(?:SELECT|WITH|INSERT|SHOW|DESC|DESCRIBE|EXPLAIN|EXISTS|SET|KILL|OPTIMIZE|CHECK)\b/i;
/** Something behind a semicolon: the engine runs several statements, and of the others nothing is known. */
const SEVERAL = /;\s*\S/;

/**
 * Columns of tables, asked for once: a block is inserted several times a second, and the question costs the engine as much as a small
 * block does. Each statement that may change a table is told before and after it runs, and all is forgotten both times: what was
 * asked for meanwhile is kept by nobody.
 */
export class Structures<T> {
  private known = new Map<string, Promise<T>>();

  of(table: string, ask: () => Promise<T>): Promise<T> {
    const { known } = this;
    const kept = known.get(table);
    if (kept) return kept;
    if (known.size >= MOST) known.clear();
    const asked = ask();
    known.set(table, asked);
    asked.catch(() => known.delete(table));
    return asked;
  }

  /** Runs a statement. */
  async around<R>(sql: string, run: () => Promise<R>): Promise<R> {
    if (KEEPS_COLUMNS.test(sql) && !SEVERAL.test(sql)) return run();
    this.forget();
    try {
      return await run();
    } finally {
      this.forget();
    }
  }

  forget(): void {
    this.known = new Map();
  }
}
