/**
 * A structural check of a processed profile of version 58, for tests: written from the types of
 * https://github.com/firefox-devtools/profiler/blob/main/src/types/profile.ts, apart from the code that writes profiles. There is
 * no schema and no npm package of the format. Checked: every key of every object is there and none besides; columns are as long
 * as their table says; every index points into its table; a stack's prefix stands before it; times ascend; weights are numbers.
 */

type Json = Record<string, unknown>;

interface Sizes {
  readonly strings: number;
  readonly libs: number;
  readonly sources: number;
  readonly categories: readonly { readonly subcategories: readonly string[] }[];
}

/** Of one cell. `row` is its row in the table. */
type Cell = (value: unknown, row: number) => boolean;

const number: Cell = (value) => typeof value === 'number' && Number.isFinite(value);
const whole: Cell = (value) => Number.isInteger(value) && (value as number) >= 0;
const text: Cell = (value) => typeof value === 'string';
const flag: Cell = (value) => typeof value === 'boolean';
const isNull: Cell = (value) => value === null;
const below =
  (size: number): Cell =>
  (value, row) =>
    whole(value, row) && (value as number) < size;
const or =
  (...cells: Cell[]): Cell =>
  (value, row) =>
    cells.some((cell) => cell(value, row));
const exactly =
  (...values: unknown[]): Cell =>
  (value) =>
    values.includes(value);

const META = [
  'interval startTime profilingStartTime profilingEndTime processType extensions categories product stackwalk debug version',
  'preprocessedProfileVersion symbolicated markerSchema sampleUnits importedFrom usesOnlyOneStackType',
  'sourceCodeIsNotOnSearchfox keepProfileThreadOrder',
].flatMap((names) => names.split(' '));
const THREAD = [
  'processType processStartupTime processShutdownTime registerTime unregisterTime pausedRanges name isMainThread processName pid',
  'tid samples markers stackTable frameTable funcTable resourceTable nativeSymbols',
].flatMap((names) => names.split(' '));
const LIB = 'arch name path debugName debugPath breakpadId codeId'.split(' ');
const COLORS = 'transparent purple green orange yellow lightblue blue brown magenta red lightred darkgrey grey'.split(
  ' ',
);

/** @returns what is wrong, by path; empty for a profile that is right */
export function firefoxProblems(profile: unknown): string[] {
  const problems: string[] = [];
  const check = new Check(problems);
  const root = check.object('profile', profile, ['meta', 'libs', 'threads', 'shared']);
  if (!root) return problems;
  const categories = checkMeta(check, root['meta']);
  const shared = check.object('shared', root['shared'], ['stringArray', 'sources']);
  const strings = check.list('shared.stringArray', shared?.['stringArray'], text);
  const sources = check.table('shared.sources', shared?.['sources'], {
    uuid: or(isNull, text),
    filename: below(strings),
  });
  const libs = check.list('libs', root['libs'], () => true);
  (root['libs'] as unknown[]).forEach((value, i) => {
    const lib = check.object(`libs[${i}]`, value, LIB);
    for (const key of LIB) check.cell(`libs[${i}].${key}`, lib?.[key], key === 'codeId' ? or(isNull, text) : text);
  });
  check.list('threads', root['threads'], () => true);
  const threads = root['threads'] as unknown[];
  if (threads.length === 0) problems.push('threads: the viewer needs at least one');
  threads.forEach((thread, i) => checkThread(check, `threads[${i}]`, thread, { strings, libs, sources, categories }));
  return problems;
}

function checkMeta(check: Check, value: unknown): Sizes['categories'] {
  const meta = check.object('meta', value, META);
  for (const key of ['interval', 'startTime', 'profilingStartTime', 'profilingEndTime', 'processType', 'version'])
    check.cell(`meta.${key}`, meta?.[key], number);
  check.cell('meta.preprocessedProfileVersion', meta?.['preprocessedProfileVersion'], exactly(58));
  check.cell('meta.stackwalk', meta?.['stackwalk'], exactly(0, 1));
  check.cell('meta.product', meta?.['product'], text);
  check.cell('meta.symbolicated', meta?.['symbolicated'], flag);
  check.list('meta.markerSchema', meta?.['markerSchema'], () => false);
  check.table('meta.extensions', meta?.['extensions'], { baseURL: text, id: text, name: text });
  const units = check.object('meta.sampleUnits', meta?.['sampleUnits'], ['time', 'eventDelay', 'threadCPUDelta']);
  check.cell('meta.sampleUnits.time', units?.['time'], exactly('ms', 'bytes'));
  check.cell('meta.sampleUnits.eventDelay', units?.['eventDelay'], exactly('ms'));
  check.cell('meta.sampleUnits.threadCPUDelta', units?.['threadCPUDelta'], exactly('ns', 'µs', 'variable CPU cycles'));
  const categories = (Array.isArray(meta?.['categories']) ? meta['categories'] : []) as Json[];
  categories.forEach((category, i) => {
    check.object(`meta.categories[${i}]`, category, ['name', 'color', 'subcategories']);
    check.cell(`meta.categories[${i}].color`, category['color'], exactly(...COLORS));
    check.cell(`meta.categories[${i}].subcategories`, (category['subcategories'] as unknown[])?.[0], exactly('Other'));
  });
  if (!categories.some(({ color }) => color === 'grey'))
    check.problems.push('meta.categories: none is grey, the default');
  return categories as unknown as Sizes['categories'];
}

function checkThread(check: Check, at: string, value: unknown, sizes: Sizes): void {
  const thread = check.object(at, value, THREAD);
  if (!thread) return;
  for (const key of ['processType', 'name', 'processName', 'pid']) check.cell(`${at}.${key}`, thread[key], text);
  for (const key of ['processStartupTime', 'registerTime']) check.cell(`${at}.${key}`, thread[key], number);
  for (const key of ['processShutdownTime', 'unregisterTime'])
    check.cell(`${at}.${key}`, thread[key], or(isNull, number));
  check.cell(`${at}.tid`, thread['tid'], or(number, text));
  check.cell(`${at}.isMainThread`, thread['isMainThread'], flag);
  check.list(`${at}.pausedRanges`, thread['pausedRanges'], () => false);
  const string = below(sizes.strings);
  const resources = check.table(`${at}.resourceTable`, thread['resourceTable'], {
    lib: or(isNull, below(sizes.libs)),
    name: string,
    host: or(isNull, string),
    type: below(6),
  });
  const symbols = check.table(`${at}.nativeSymbols`, thread['nativeSymbols'], {
    libIndex: below(sizes.libs),
    address: whole,
    name: string,
    functionSize: or(isNull, whole),
  });
  const functions = check.table(`${at}.funcTable`, thread['funcTable'], {
    name: string,
    isJS: flag,
    relevantForJS: flag,
    resource: or(exactly(-1), below(resources)),
    source: or(isNull, below(sizes.sources)),
    lineNumber: or(isNull, whole),
    columnNumber: or(isNull, whole),
  });
  const category = (thread['frameTable'] as { category?: unknown[] } | null)?.category ?? [];
  const frames = check.table(`${at}.frameTable`, thread['frameTable'], {
    address: or(exactly(-1), whole),
    inlineDepth: whole,
    category: or(isNull, below(sizes.categories.length)),
    subcategory: (sub, row) => {
      const of = category[row];
      return of === null ? true : below(sizes.categories[of as number]?.subcategories.length ?? 0)(sub, row);
    },
    func: below(functions),
    nativeSymbol: or(isNull, below(symbols)),
    innerWindowID: or(isNull, whole),
    line: or(isNull, whole),
    column: or(isNull, whole),
  });
  const stacks = check.table(`${at}.stackTable`, thread['stackTable'], {
    frame: below(frames),
    prefix: (prefix, row) => prefix === null || below(row)(prefix, row),
  });
  checkSamples(check, at, thread, stacks);
  check.table(`${at}.markers`, thread['markers'], {
    data: () => true,
    name: string,
    startTime: or(isNull, number),
    endTime: or(isNull, number),
    phase: below(4),
    category: below(sizes.categories.length),
  });
}

function checkSamples(check: Check, at: string, thread: Json, stacks: number): void {
  const { weightType, ...samples } = (thread['samples'] ?? {}) as Json;
  check.cell(`${at}.samples.weightType`, weightType, exactly('samples', 'tracing-ms', 'bytes'));
  const times = Array.isArray(samples['time']) ? (samples['time'] as number[]) : [];
  check.table(`${at}.samples`, samples, {
    stack: or(isNull, below(stacks)),
    time: (time, row) => number(time, row) && (row === 0 || times[row - 1]! <= (time as number)),
    weight: number,
  });
}

class Check {
  constructor(readonly problems: string[]) {}

  object(at: string, value: unknown, keys: readonly string[]): Json | null {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.problems.push(`${at}: no object`);
      return null;
    }
    for (const key of keys) if (!Object.hasOwn(value, key)) this.problems.push(`${at}.${key}: missing`);
    for (const key of Object.keys(value))
      if (!keys.includes(key)) this.problems.push(`${at}.${key}: not of the format`);
    return value as Json;
  }

  cell(at: string, value: unknown, is: Cell, row = 0): void {
    if (!is(value, row)) this.problems.push(`${at}: ${JSON.stringify(value)} is wrong`);
  }

  /** @returns its length */
  list(at: string, value: unknown, is: Cell): number {
    if (!Array.isArray(value)) {
      this.problems.push(`${at}: no array`);
      return 0;
    }
    value.forEach((item, i) => this.cell(`${at}[${i}]`, item, is, i));
    return value.length;
  }

  /** @returns its length */
  table(at: string, value: unknown, columns: Readonly<Record<string, Cell>>): number {
    const table = this.object(at, value, ['length', ...Object.keys(columns)]);
    if (!table) return 0;
    const length = table['length'] as number;
    if (!whole(length, 0)) this.problems.push(`${at}.length: ${JSON.stringify(length)} is wrong`);
    for (const [name, is] of Object.entries(columns))
      if (this.list(`${at}.${name}`, table[name], is) !== length)
        this.problems.push(`${at}.${name}: not as long as the table`);
    return length;
  }
}
