/**
 * The processed profile format of the Firefox Profiler, version 58, as far as it is written here:
 * https://github.com/firefox-devtools/profiler/blob/main/src/types/profile.ts and docs-developer/CHANGELOG-formats.md.
 * Tables are columns of equal length; times are milliseconds since `meta.startTime`.
 */

/** `tracing-ms`: milliseconds that a sample stands for. */
export type FirefoxWeight = 'samples' | 'tracing-ms' | 'bytes';

export interface FirefoxLib {
  readonly arch: string;
  readonly name: string;
  readonly path: string;
  readonly debugName: string;
  readonly debugPath: string;
  readonly breakpadId: string;
  readonly codeId: null;
}

export interface FirefoxThreadColumns {
  readonly processType: 'default';
  readonly processStartupTime: number;
  readonly processShutdownTime: null;
  readonly registerTime: number;
  readonly unregisterTime: null;
  readonly pausedRanges: readonly never[];
  readonly name: string;
  readonly isMainThread: boolean;
  readonly processName: string;
  readonly pid: string;
  readonly tid: number;
  readonly samples: {
    readonly length: number;
    readonly stack: readonly (number | null)[];
    readonly time: readonly number[];
    readonly weight: readonly number[];
    readonly weightType: FirefoxWeight;
  };
  readonly markers: {
    readonly length: 0;
    readonly data: readonly never[];
    readonly name: readonly never[];
    readonly startTime: readonly never[];
    readonly endTime: readonly never[];
    readonly phase: readonly never[];
    readonly category: readonly never[];
  };
  /** `prefix` is the caller's row, always a smaller one, or null. */
  readonly stackTable: {
    readonly length: number;
    readonly frame: readonly number[];
    readonly prefix: readonly (number | null)[];
  };
  readonly frameTable: {
    readonly length: number;
    readonly address: readonly number[];
    readonly inlineDepth: readonly number[];
    readonly category: readonly number[];
    readonly subcategory: readonly number[];
    readonly func: readonly number[];
    readonly nativeSymbol: readonly null[];
    readonly innerWindowID: readonly number[];
    readonly line: readonly (number | null)[];
    readonly column: readonly null[];
  };
  readonly funcTable: {
    readonly length: number;
    readonly name: readonly number[];
    readonly isJS: readonly boolean[];
    readonly relevantForJS: readonly boolean[];
    /** -1 = none. */
    readonly resource: readonly number[];
    readonly source: readonly (number | null)[];
    readonly lineNumber: readonly null[];
    readonly columnNumber: readonly null[];
  };
  readonly resourceTable: {
    readonly length: number;
    readonly lib: readonly number[];
    readonly name: readonly number[];
    readonly host: readonly null[];
    readonly type: readonly number[];
  };
  readonly nativeSymbols: {
    readonly length: 0;
    readonly libIndex: readonly never[];
    readonly address: readonly never[];
    readonly name: readonly never[];
    readonly functionSize: readonly never[];
  };
}

export interface FirefoxProfile {
  readonly meta: typeof FIREFOX_FORMAT & {
    readonly interval: number;
    readonly startTime: number;
    readonly profilingStartTime: number;
    readonly profilingEndTime: number;
  };
  readonly libs: readonly FirefoxLib[];
  readonly threads: readonly FirefoxThreadColumns[];
  readonly shared: {
    readonly stringArray: readonly string[];
    readonly sources: {
      readonly length: number;
      readonly uuid: readonly null[];
      readonly filename: readonly number[];
    };
  };
}

export const RESOURCE_LIBRARY = 1;

/** The first is the default, which must be grey. */
const CATEGORIES = [
  { name: 'Other', color: 'grey', subcategories: ['Other'] },
  { name: 'Native', color: 'blue', subcategories: ['Other'] },
  { name: 'Kernel', color: 'orange', subcategories: ['Other'] },
  { name: 'Runtime', color: 'yellow', subcategories: ['Other'] },
] as const;

/** Category of a frame by its `profile.frame.type`. */
export function categoryOf(kind: string): number {
  if (kind === '' || kind === 'process') return 0;
  return kind === 'native' ? 1 : kind === 'kernel' ? 2 : 3;
}

/** What `meta` says of every profile. */
export const FIREFOX_FORMAT = {
  version: 31,
  preprocessedProfileVersion: 58,
  processType: 0,
  product: 'Perfleet',
  importedFrom: 'Perfleet',
  stackwalk: 1,
  debug: false,
  symbolicated: true,
  usesOnlyOneStackType: true,
  sourceCodeIsNotOnSearchfox: true,
  keepProfileThreadOrder: true,
  markerSchema: [],
  extensions: { length: 0, baseURL: [], id: [], name: [] },
  categories: CATEGORIES,
  sampleUnits: { time: 'ms', eventDelay: 'ms', threadCPUDelta: 'ns' },
} as const;
