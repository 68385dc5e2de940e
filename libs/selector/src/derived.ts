import type { Selector } from './model.ts';

/** A profile type that no sample has: the sum of others, made when it is asked for, so that it costs nothing where samples are taken. */
export interface DerivedType {
  readonly type: string;
  /** Types whose values add up to it. What other agents send under such a name in another unit is no part of it. */
  readonly of: readonly string[];
  readonly unit: string;
}

/**
 * `wall_clock` is the time that threads were there: on a CPU, or blocked. Not `wall`: other agents send that, of a clock of their own.
 * A stored type of such a name cannot be selected.
 */
export const DERIVED_TYPES: readonly DerivedType[] = [
  { type: 'wall_clock', of: ['cpu', 'off_cpu'], unit: 'nanoseconds' },
];

export function derivedType(type: string): DerivedType | undefined {
  return DERIVED_TYPES.find((derived) => derived.type === type);
}

/** The derived type that a selector chooses, if it does; by its name in front of the braces or an equality inside them. */
export function derivedTypeOf(selector: Selector, isType: (label: string) => boolean): DerivedType | undefined {
  const inside = selector.matchers.filter(({ label, op }) => op === '=' && isType(label)).map(({ value }) => value);
  return [selector.type, ...inside].map(derivedType).find((derived) => derived !== undefined);
}

/** Those of which all parts are among stored types. */
export function derivedFrom(stored: ReadonlyArray<{ readonly type: string; readonly unit: string }>): DerivedType[] {
  return DERIVED_TYPES.filter(({ of, unit }) =>
    of.every((part) => stored.some((each) => each.type === part && each.unit === unit)),
  );
}
