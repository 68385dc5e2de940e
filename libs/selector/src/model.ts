/** How a matcher compares. Regular expressions are RE2 and anchored at both ends, as in Prometheus. */
export const MATCH_OPERATORS = ['=', '!=', '=~', '!~'] as const;
export type MatchOperator = (typeof MATCH_OPERATORS)[number];

export interface Matcher {
  readonly label: string;
  readonly op: MatchOperator;
  /** The text after escapes are resolved. A label that a series does not have counts as "". */
  readonly value: string;
}

/** `cpu{service="checkout"}`: a profile type, "" when any, and matchers that all must hold. */
export interface Selector {
  readonly type: string;
  readonly matchers: readonly Matcher[];
}

/** `position` is the 0-based index (UTF-16 code units) of the character that was not expected. */
export type SelectorResult =
  | { readonly ok: true; readonly value: Selector }
  | { readonly ok: false; readonly error: string; readonly position: number };

/** Longest selector, in bytes of UTF-8. */
export const MAX_SELECTOR_BYTES = 8192;
export const MAX_MATCHERS = 64;
