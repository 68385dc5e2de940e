import type { FirefoxLib } from './firefox-format.ts';
import { StringTable } from './frame-table.ts';

/** Source files, shared by all threads. */
export class Sources {
  private readonly files = new StringTable();

  /** @returns null for '' */
  add(file: string): number | null {
    return file === '' ? null : this.files.add(file) - 1;
  }

  columns(strings: StringTable) {
    const filename = this.files
      .all()
      .slice(1)
      .map((file) => strings.add(file));
    return { length: filename.length, uuid: filename.map(() => null), filename };
  }
}

/** Modules. They need no symbols any more, so there are no ids to find some by. */
export class Libs {
  readonly all: FirefoxLib[] = [];
  private readonly index = new Map<string, number>();

  add(name: string): number {
    let at = this.index.get(name);
    if (at === undefined) {
      this.index.set(name, (at = this.all.length));
      this.all.push({ arch: '', name, path: name, debugName: name, debugPath: name, breakpadId: '', codeId: null });
    }
    return at;
  }
}
