import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GeneratedStore } from './query-store.ts';

/** Written last, so that a directory with it holds a whole store. */
const DESCRIPTION = 'store.json';

/** A directory whose store is made once and measured as often as one likes. */
export class KeptStore {
  constructor(private readonly directory: string) {}

  /** Where the engine has its files. */
  get data(): string {
    mkdirSync(this.directory, { recursive: true });
    return join(this.directory, 'clickhouse');
  }

  /** @returns null when nothing is there. @throws Error when its generation did not come to its end */
  read(): GeneratedStore | null {
    const path = join(this.directory, DESCRIPTION);
    if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as GeneratedStore;
    if (existsSync(join(this.directory, 'clickhouse')))
      throw new Error(`${this.directory} holds a store that is not whole: remove it, or name another directory`);
    return null;
  }

  write(store: GeneratedStore): void {
    writeFileSync(join(this.directory, DESCRIPTION), `${JSON.stringify(store, null, 2)}\n`);
  }
}
