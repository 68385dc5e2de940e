import type { Selector } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from './db.ts';
import { chunks, type FrameNames, type ResolvedFrame } from './frames.ts';
import { MORE } from './flame-graph.ts';
import { labelTotalsSql, stacksSql, typesSql } from './samples.ts';
import { args, labelSql } from './series.ts';

/** Distinct (process, stack) pairs of one answer, the largest; the value of the others is kept per process. */
export const MAX_STACKS = 200_000;
const MAX_PROCESSES = 1_000_000;
const CHUNK = 5000;

/** A value type that all matched series share. */
export interface ValueType {
  readonly type: string;
  readonly unit: string;
}

export interface StackRow {
  /** Root first; the first frame is the process (kind `process`). */
  readonly frames: readonly ResolvedFrame[];
  readonly value: number;
}

export interface StackSet extends ValueType {
  readonly stacks: readonly StackRow[];
  /** Sum of all values: every sample of the range, whether or not its frames have names. */
  readonly total: number;
}

/** Values of different types do not add up, so a selector must come down to one. */
export async function valueType(db: Db, selector: Selector, options: AskOptions): Promise<ValueType> {
  const { rows } = await db.ask(...args(typesSql(selector)), options);
  const types = rows.map(([type, unit]) => ({ type: String(type), unit: String(unit) }));
  if (types.length > 1) {
    const names = types.map(({ type }) => type).join(', ');
    throw badRequest(
      `the selector matches several profile types (${names}); put one in front of it, e.g. ${types[0]?.type}{…}`,
      0,
    );
  }
  return types[0] ?? { type: selector.type, unit: '' };
}

/** The samples of a selector and range, grouped by stack in the store, then named. */
export async function loadStacks(
  db: Db,
  names: FrameNames,
  selector: Selector,
  range: TimeRange,
  options: AskOptions,
  maxStacks = MAX_STACKS,
): Promise<StackSet> {
  const type = await valueType(db, selector, options);
  const { rows } = await db.ask(...args(stacksSql(selector, range, maxStacks + 1)), options);
  const shown = rows.slice(0, maxStacks);
  const framesOf = await loadFrameIds(db, new Set(shown.map((row) => String(row[1]))), options);
  const chains = await names.resolve(distinct(framesOf.values()), options);
  const processes = new ProcessFrames();
  const stacks = shown.map(([process, stack, value]): StackRow => {
    const ids = framesOf.get(String(stack));
    const frames = ids ? ids.flatMap((id) => chains.get(id) ?? []) : [MISSING_STACK];
    return { frames: [processes.of(String(process)), ...frames], value: Number(value) };
  });
  if (rows.length > maxStacks) {
    const totals = await db.ask(...args(labelTotalsSql(labelSql('process'), selector, range, MAX_PROCESSES)), options);
    addRest(stacks, totals.rows, processes);
  }
  return { ...type, stacks, total: stacks.reduce((sum, { value }) => sum + value, 0) };
}

/** What the stacks that are not shown hold, per process. */
function addRest(stacks: StackRow[], totals: readonly (readonly unknown[])[], processes: ProcessFrames): void {
  const shown = new Map<ResolvedFrame, number>();
  for (const { frames, value } of stacks)
    shown.set(frames[0] as ResolvedFrame, (shown.get(frames[0] as ResolvedFrame) ?? 0) + value);
  for (const [process, total] of totals) {
    const frame = processes.of(String(process));
    const value = Number(total) - (shown.get(frame) ?? 0);
    if (value > 0) stacks.push({ frames: [frame, MORE], value });
  }
}

async function loadFrameIds(db: Db, stacks: ReadonlySet<string>, options: AskOptions): Promise<Map<string, string[]>> {
  const result = new Map<string, string[]>();
  for (const ids of chunks([...stacks], CHUNK)) {
    const { rows } = await db.ask(
      'SELECT stack, frames FROM stacks WHERE stack IN {ids:Array(UInt64)} LIMIT 1 BY stack',
      { ids: `[${ids.join(',')}]` },
      options,
    );
    for (const [stack, frames] of rows) result.set(String(stack), (frames as unknown[]).map(String));
  }
  return result;
}

function* distinct(lists: Iterable<readonly string[]>): Generator<string> {
  const seen = new Set<string>();
  for (const list of lists) {
    for (const id of list) {
      if (seen.has(id)) continue;
      seen.add(id);
      yield id;
    }
  }
}

const frame = (name: string, kind: string): ResolvedFrame => ({
  name,
  file: '',
  line: 0,
  module: '',
  kind,
  inlined: false,
});

/** A sample whose stack's row is not there (yet): its value still counts. */
const MISSING_STACK = frame('[stack not stored]', 'native');

/** One frame object per process name. */
class ProcessFrames {
  private readonly frames = new Map<string, ResolvedFrame>();

  of(process: string): ResolvedFrame {
    let known = this.frames.get(process);
    if (!known) this.frames.set(process, (known = frame(process || '[unknown process]', 'process')));
    return known;
  }
}
