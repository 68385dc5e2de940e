import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A slim file that waits for its upload. */
export interface QueuedFile {
  readonly gnu: string;
  readonly content: string;
  readonly path: string;
  readonly size: number;
}

const NAME = /^([0-9a-f]{8,128})-([0-9a-f]{32})\.elf$/;

/** Files of binaries that are on their way, bounded; their names say what they are, so that the next run goes on with them. */
export class UploadQueue {
  private readonly files = new Map<string, QueuedFile>();

  constructor(
    private readonly dir: string,
    private readonly maxBytes: number,
  ) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(dir)) {
      const match = NAME.exec(name);
      const path = join(dir, name);
      // What was being written when the last run ended is no whole file.
      if (match) this.add({ gnu: match[1]!, content: match[2]!, path, size: statSync(path).size });
      else rmSync(path, { force: true });
    }
  }

  get bytes(): number {
    return [...this.files.values()].reduce((sum, { size }) => sum + size, 0);
  }

  get size(): number {
    return this.files.size;
  }

  hasRoom(bytes: number): boolean {
    return this.bytes + bytes <= this.maxBytes;
  }

  /** Where the file of a binary is to be: written under `incoming` and then renamed. */
  place(gnu: string, content: string): { readonly incoming: string; readonly path: string } {
    const path = join(this.dir, `${gnu}-${content}.elf`);
    return { incoming: `${path}.incoming`, path };
  }

  add(file: QueuedFile): void {
    this.files.set(file.path, file);
  }

  first(): QueuedFile | undefined {
    return this.files.values().next().value;
  }

  /** Behind the others: it is tried again after them. */
  putBack(file: QueuedFile): void {
    this.files.delete(file.path);
    this.files.set(file.path, file);
  }

  remove(file: QueuedFile): void {
    this.files.delete(file.path);
    rmSync(file.path, { force: true });
  }
}
