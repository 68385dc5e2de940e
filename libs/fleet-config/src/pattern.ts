import { z } from 'zod';

/** Characters of a pattern. */
const MAX_PATTERN = 1024;

/**
 * A pattern over a whole name: `*` stands for any run of characters (`/` included), `?` for one, everything else for itself.
 * Upper and lower case differ.
 */
export const patternSchema = z
  .string('must be a text; * stands for any run of characters, ? for one')
  .min(1, 'must not be empty; * stands for anything')
  .max(MAX_PATTERN, `must have at most ${MAX_PATTERN} characters`);

/** Time is bounded by pattern × text: only the last `*` is ever tried again. */
export function matchesPattern(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let from = 0;
  while (t < text.length) {
    const wanted = pattern[p];
    if (wanted === '*') {
      star = p++;
      from = t;
    } else if (wanted !== undefined && (wanted === '?' || wanted === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++from;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

export function matchesAny(patterns: readonly string[], text: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, text));
}
