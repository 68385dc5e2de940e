import { categoryOf, RESOURCE_LIBRARY, type FirefoxThreadColumns, type FirefoxWeight } from './firefox-format.ts';
import type { Libs, Sources } from './firefox-shared.ts';
import { namesOf, type FrameColumns, type StringTable } from './frame-table.ts';

interface Shared {
  readonly strings: StringTable;
  readonly sources: Sources;
  readonly libs: Libs;
}

/** The tables of one thread in the making. */
export class FirefoxThread {
  /** Milliseconds at which the last sample ends. */
  end = 0;
  private readonly samples = { stack: [] as (number | null)[], time: [] as number[], weight: [] as number[] };
  private readonly stacks = { frame: [] as number[], prefix: [] as (number | null)[] };
  private readonly frameTable = {
    func: [] as number[],
    depth: [] as number[],
    category: [] as number[],
    line: [] as number[],
  };
  private readonly functions = { name: [] as number[], resource: [] as number[], source: [] as (number | null)[] };
  private readonly resources = { lib: [] as number[], name: [] as number[] };
  private readonly index = new Map<string, number>();

  constructor(
    private readonly name: string,
    private readonly place: number,
    private readonly frames: FrameColumns,
    private readonly shared: Shared,
  ) {}

  /** @param path root first @param weight in the unit of the thread's weights */
  add(path: Uint32Array, weight: number): void {
    let stack: number | null = null;
    let depth = 0;
    for (const frame of path) {
      depth = this.frames.inlined[frame] && stack !== null ? depth + 1 : 0;
      const row = this.frame(frame, depth);
      const prefix: number | null = stack;
      stack = this.row(`s ${prefix ?? -1} ${row}`, this.stacks.frame, () => {
        this.stacks.frame.push(row);
        this.stacks.prefix.push(prefix);
      });
    }
    this.samples.stack.push(stack);
    this.samples.time.push(this.end);
    this.samples.weight.push(weight);
    this.end += weight;
  }

  private frame(frame: number, depth: number): number {
    const fn = this.frames.function[frame]!;
    const func = this.func(fn);
    return this.row(`f ${frame} ${depth}`, this.frameTable.func, () => {
      this.frameTable.func.push(func);
      this.frameTable.depth.push(depth);
      this.frameTable.category.push(categoryOf(namesOf(this.frames.functions, fn).kind));
      this.frameTable.line.push(this.frames.line[frame]!);
    });
  }

  private func(fn: number): number {
    return this.row(`n ${fn}`, this.functions.name, () => {
      const { name, file, module } = namesOf(this.frames.functions, fn);
      const resource = module === '' ? -1 : this.resource(module);
      this.functions.name.push(this.shared.strings.add(name || '[unknown]'));
      this.functions.resource.push(resource);
      this.functions.source.push(this.shared.sources.add(file));
    });
  }

  private resource(module: string): number {
    return this.row(`r ${module}`, this.resources.lib, () => {
      this.resources.lib.push(this.shared.libs.add(module));
      this.resources.name.push(this.shared.strings.add(module));
    });
  }

  /** The row of a key, added when it is not there. @param column one of its table */
  private row(key: string, column: readonly unknown[], add: () => void): number {
    let row = this.index.get(key);
    if (row === undefined) {
      this.index.set(key, (row = column.length));
      add();
    }
    return row;
  }

  columns(weightType: FirefoxWeight): FirefoxThreadColumns {
    const { samples, stacks, frameTable, functions, resources } = this;
    const all = <T>({ length }: readonly unknown[], value: T): T[] => new Array<T>(length).fill(value);
    return {
      processType: 'default',
      processStartupTime: 0,
      processShutdownTime: null,
      registerTime: 0,
      unregisterTime: null,
      pausedRanges: [],
      name: this.name,
      isMainThread: true,
      processName: this.name,
      // The viewer puts threads of one pid together; several real processes share a name, and have one track.
      pid: String(this.place),
      tid: this.place,
      samples: { length: samples.stack.length, ...samples, weightType },
      markers: { length: 0, data: [], name: [], startTime: [], endTime: [], phase: [], category: [] },
      stackTable: { length: stacks.frame.length, ...stacks },
      frameTable: {
        length: frameTable.func.length,
        address: all(frameTable.func, -1),
        inlineDepth: frameTable.depth,
        category: frameTable.category,
        subcategory: all(frameTable.func, 0),
        func: frameTable.func,
        nativeSymbol: all(frameTable.func, null),
        innerWindowID: all(frameTable.func, 0),
        line: frameTable.line.map((line) => line || null),
        column: all(frameTable.func, null),
      },
      funcTable: {
        length: functions.name.length,
        ...functions,
        isJS: all(functions.name, false),
        relevantForJS: all(functions.name, false),
        lineNumber: all(functions.name, null),
        columnNumber: all(functions.name, null),
      },
      resourceTable: {
        length: resources.lib.length,
        ...resources,
        host: all(resources.lib, null),
        type: all(resources.lib, RESOURCE_LIBRARY),
      },
      nativeSymbols: { length: 0, libIndex: [], address: [], name: [], functionSize: [] },
    };
  }
}
