import { growUint8, growUint32 } from './grow.ts';

/** What makes two frames the same node of a tree, whatever their lines. */
export interface FunctionNames {
  readonly name: string;
  /** Source file, '' if unknown. */
  readonly file: string;
  /** Base name of the binary, '' if there is none. */
  readonly module: string;
  /** `profile.frame.type`: native, kernel, v8js, … */
  readonly kind: string;
}

/** One function at one line. */
export interface Frame extends FunctionNames {
  /** 0 = unknown. */
  readonly line: number;
  /** Inlined into its caller. */
  readonly inlined: boolean;
}

/** Distinct functions as columns of indices into `strings`. */
export interface FunctionColumns {
  readonly strings: readonly string[];
  readonly name: Uint32Array;
  readonly file: Uint32Array;
  readonly module: Uint32Array;
  readonly kind: Uint32Array;
}

/** Distinct frames as columns. */
export interface FrameColumns {
  readonly functions: FunctionColumns;
  /** Index into `functions`. */
  readonly function: Uint32Array;
  readonly line: Uint32Array;
  /** 1 = inlined into its caller. */
  readonly inlined: Uint8Array;
}

/** Interned strings; index 0 is ''. */
export class StringTable {
  private readonly index = new Map<string, number>([['', 0]]);
  private readonly strings = [''];

  add(text: string): number {
    let index = this.index.get(text);
    if (index === undefined) {
      index = this.strings.push(text) - 1;
      this.index.set(text, index);
    }
    return index;
  }

  /** Grows with the table; what is in it never changes. */
  all(): string[] {
    return this.strings;
  }
}

/** Distinct functions, numbered in the order they came. */
export class FunctionTable {
  private readonly strings = new StringTable();
  private readonly index = new Map<string, number>();
  private name = new Uint32Array(64);
  private file = new Uint32Array(64);
  private module = new Uint32Array(64);
  private kind = new Uint32Array(64);

  get length(): number {
    return this.index.size;
  }

  add({ name, file, module, kind }: FunctionNames): number {
    const { strings } = this;
    const row = [strings.add(name), strings.add(file), strings.add(module), strings.add(kind)] as const;
    const key = row.join(' ');
    const known = this.index.get(key);
    if (known !== undefined) return known;
    const at = this.index.size;
    this.index.set(key, at);
    this.name = growUint32(this.name, at);
    this.file = growUint32(this.file, at);
    this.module = growUint32(this.module, at);
    this.kind = growUint32(this.kind, at);
    [this.name[at], this.file[at], this.module[at], this.kind[at]] = row;
    return at;
  }

  /** Constant time: views of what is there now. */
  columns(): FunctionColumns {
    const view = (column: Uint32Array) => column.subarray(0, this.length);
    const { name, file, module, kind } = this;
    return { strings: this.strings.all(), name: view(name), file: view(file), module: view(module), kind: view(kind) };
  }
}

/** Distinct frames, numbered in the order they came. */
export class FrameTable {
  private readonly functions = new FunctionTable();
  private readonly index = new Map<string, number>();
  private fn = new Uint32Array(64);
  private line = new Uint32Array(64);
  private inlined = new Uint8Array(64);

  get length(): number {
    return this.index.size;
  }

  add(frame: Frame): number {
    const fn = this.functions.add(frame);
    const inlined = frame.inlined ? 1 : 0;
    const key = `${fn} ${frame.line} ${inlined}`;
    const known = this.index.get(key);
    if (known !== undefined) return known;
    const at = this.length;
    this.index.set(key, at);
    this.fn = growUint32(this.fn, at);
    this.line = growUint32(this.line, at);
    this.inlined = growUint8(this.inlined, at);
    this.fn[at] = fn;
    this.line[at] = frame.line;
    this.inlined[at] = inlined;
    return at;
  }

  /** Constant time: views of what is there now; what is added later does not change them. */
  columns(): FrameColumns {
    return {
      functions: this.functions.columns(),
      function: this.fn.subarray(0, this.length),
      line: this.line.subarray(0, this.length),
      inlined: this.inlined.subarray(0, this.length),
    };
  }
}

/** Names of one function of a table. */
export function namesOf(functions: FunctionColumns, fn: number): FunctionNames {
  const text = (column: Uint32Array) => functions.strings[column[fn]!]!;
  return {
    name: text(functions.name),
    file: text(functions.file),
    module: text(functions.module),
    kind: text(functions.kind),
  };
}
