/** One function at one line. */
export interface Frame {
  readonly name: string;
  /** Source file, '' if unknown. */
  readonly file: string;
  /** 0 = unknown. */
  readonly line: number;
  /** Base name of the binary, '' if there is none. */
  readonly module: string;
  /** `profile.frame.type`: native, kernel, v8js, … */
  readonly kind: string;
  /** Inlined into its caller. */
  readonly inlined: boolean;
}

/** Frames as columns; `name`, `file`, `module` and `kind` index `strings`. */
export interface FrameColumns {
  readonly strings: readonly string[];
  readonly name: Uint32Array;
  readonly file: Uint32Array;
  readonly line: Uint32Array;
  readonly module: Uint32Array;
  readonly kind: Uint32Array;
  /** 1 = inlined into its caller. */
  readonly inlined: Uint8Array;
}

/** Interned strings; index 0 is ''. */
export class StringTable {
  private readonly index = new Map<string, number>([['', 0]]);

  add(text: string): number {
    let index = this.index.get(text);
    if (index === undefined) this.index.set(text, (index = this.index.size));
    return index;
  }

  all(): string[] {
    return [...this.index.keys()];
  }
}

/** Distinct frames, numbered in the order they came. */
export class FrameTable {
  private readonly strings = new StringTable();
  private readonly index = new Map<string, number>();
  /** Six numbers a frame: name, file, line, module, kind, inlined. */
  private readonly rows: number[] = [];

  get length(): number {
    return this.index.size;
  }

  add(frame: Frame): number {
    const { strings } = this;
    const row = [
      strings.add(frame.name),
      strings.add(frame.file),
      frame.line,
      strings.add(frame.module),
      strings.add(frame.kind),
      frame.inlined ? 1 : 0,
    ];
    const key = row.join(' ');
    let index = this.index.get(key);
    if (index === undefined) {
      this.index.set(key, (index = this.index.size));
      this.rows.push(...row);
    }
    return index;
  }

  columns(): FrameColumns {
    const column = (at: number) => Uint32Array.from({ length: this.length }, (_, i) => this.rows[i * 6 + at]!);
    return {
      strings: this.strings.all(),
      name: column(0),
      file: column(1),
      line: column(2),
      module: column(3),
      kind: column(4),
      inlined: Uint8Array.from(column(5)),
    };
  }
}
