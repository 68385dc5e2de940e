import { SymbolTable, type TableKeeping } from '@perfleet/native-symbols';
import { pruneFiles, removeOlder } from './file-quota.ts';

export interface KeptTablesOptions {
  /** Directory of tables, this service's own; without it they are in memory. */
  readonly dir?: string;
  /** Bytes of all tables in it (4 GiB); the ones used longest ago go first. */
  readonly quotaBytes?: number;
  /** Private memory that a conversion may take, bytes (512 MiB). */
  readonly memoryBytes?: number;
  readonly onWarning?: (message: string) => void;
}

const ABANDONED_MS = 3_600_000;

/** Opens lookup tables, which survive a restart where there is a directory for them. */
export class KeptTables {
  private readonly keeping: TableKeeping;
  private pruned: Promise<void> = Promise.resolve();

  constructor(private readonly options: KeptTablesOptions) {
    const { dir, memoryBytes } = options;
    this.keeping = { ...(dir ? { directory: dir } : {}), ...(memoryBytes ? { memoryBytes } : {}) };
  }

  async open(path: string, debugPaths: readonly string[] = []): Promise<SymbolTable> {
    const table = await SymbolTable.open(path, debugPaths, this.keeping);
    this.pruned = this.pruned.then(() => this.prune());
    return table;
  }

  /** A table that is open stays usable when its file is removed. */
  private async prune(): Promise<void> {
    const { dir, quotaBytes: bytes = 4 * 2 ** 30, onWarning } = this.options;
    if (!dir) return;
    try {
      await pruneFiles(dir, { suffix: '.table', bytes });
      await removeOlder(dir, '.part', ABANDONED_MS);
    } catch (error) {
      onWarning?.(`${dir}: old lookup tables cannot be removed: ${(error as Error).message}`);
    }
  }
}
