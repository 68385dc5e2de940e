import type { CompareFunction, CompareResponse } from '@perfleet/api-contract';
import { namesOf, type FrameColumns } from './frame-table.ts';
import type { StackColumns } from './stack-table.ts';
import { functionValues } from './top-functions.ts';

export interface CompareOptions {
  /** What values of the base are multiplied by. */
  readonly scale: number;
  /** Most functions of each list. */
  readonly limit: number;
  /** Frames of this kind are no functions; what they hold counts among the others. */
  readonly excludeKind?: string;
}

/**
 * Functions by how much their own time changed against the scaled base. Self values are compared and not totals, since a
 * change of a leaf would show again in each of its callers, and since only self values add up.
 * @param frames the table that both sides index
 */
export function compareFunctions(
  base: StackColumns,
  compared: StackColumns,
  frames: FrameColumns,
  { scale, limit, excludeKind }: CompareOptions,
): Pick<CompareResponse, 'gained' | 'lost' | 'others'> {
  const [before, after] = [functionValues(base, frames), functionValues(compared, frames)];
  const { functions } = frames;
  const change = (fn: number) => after.self[fn]! - before.self[fn]! * scale;
  const text = (column: Uint32Array, fn: number) => functions.strings[column[fn]!]!;
  const changed: number[] = [];
  let count = 0;
  for (let fn = 0; fn < functions.name.length; fn++) {
    if (!before.seen[fn] && !after.seen[fn]) continue;
    if (excludeKind !== undefined && text(functions.kind, fn) === excludeKind) continue;
    count++;
    if (change(fn) !== 0) changed.push(fn);
  }
  changed.sort(
    (a, b) => Math.abs(change(b)) - Math.abs(change(a)) || (text(functions.name, a) < text(functions.name, b) ? -1 : 1),
  );
  const row = (fn: number): CompareFunction => {
    const { name, ...names } = namesOf(functions, fn);
    return {
      function: name,
      ...names,
      base: { self: before.self[fn]!, total: before.total[fn]! },
      self: after.self[fn]!,
      total: after.total[fn]!,
      change: change(fn),
    };
  };
  const gained = changed.filter((fn) => change(fn) > 0).slice(0, limit);
  const lost = changed.filter((fn) => change(fn) < 0).slice(0, limit);
  const listed = [...gained, ...lost];
  const rest = (all: Float64Array, of: Float64Array) => sum(all) - listed.reduce((total, fn) => total + of[fn]!, 0);
  const [baseSelf, self] = [rest(base.values, before.self), rest(compared.values, after.self)];
  return {
    gained: gained.map(row),
    lost: lost.map(row),
    others: { functions: count - listed.length, baseSelf, self, change: self - baseSelf * scale },
  };
}

const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
