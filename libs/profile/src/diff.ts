import type { DiffBy, DiffResponse } from '@perfleet/api-contract';
import { namesOf, type FrameColumns } from './frame-table.ts';
import type { StackColumns } from './stack-table.ts';
import { functionValues, type TopOptions } from './top-functions.ts';

export type FunctionDiff = DiffResponse['functions'][number];

/**
 * Functions of both sides; the largest change comes first, then by name: of their share of the side's total, or of their value.
 * @param frames the table that both sides index
 */
export function diffFunctions(
  baseline: StackColumns,
  compared: StackColumns,
  frames: FrameColumns,
  { limit = Infinity, excludeKind, by = 'share' }: TopOptions & { readonly by?: DiffBy } = {},
): FunctionDiff[] {
  const [before, after] = [functionValues(baseline, frames), functionValues(compared, frames)];
  const sum = ({ values }: StackColumns) => (by === 'value' ? 1 : values.reduce((a, b) => a + b, 0) || 1);
  const [baseSum, comparedSum] = [sum(baseline), sum(compared)];
  const { functions } = frames;
  const change = Float64Array.from(after.total, (total, fn) =>
    Math.abs(total / comparedSum - before.total[fn]! / baseSum),
  );
  const shown: number[] = [];
  for (let fn = 0; fn < change.length; fn++) {
    if (!before.seen[fn] && !after.seen[fn]) continue;
    if (excludeKind === undefined || functions.strings[functions.kind[fn]!] !== excludeKind) shown.push(fn);
  }
  const name = (fn: number) => functions.strings[functions.name[fn]!]!;
  return shown
    .sort((a, b) => change[b]! - change[a]! || (name(a) < name(b) ? -1 : 1))
    .slice(0, limit)
    .map((fn) => {
      const { name: fnName, ...names } = namesOf(functions, fn);
      return {
        function: fnName,
        ...names,
        base: { self: before.self[fn]!, total: before.total[fn]! },
        self: after.self[fn]!,
        total: after.total[fn]!,
      };
    });
}
