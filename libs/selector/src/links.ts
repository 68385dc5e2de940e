import type { Matcher, Selector } from './model.ts';

/** Ids of the span that a sample was taken in, with their hexadecimal digits. They select samples and are no labels of series. */
export const LINK_DIGITS = { trace_id: 32, span_id: 16 } as const;
export type LinkLabel = keyof typeof LINK_DIGITS;

export const isLinkLabel = (label: string): label is LinkLabel => Object.hasOwn(LINK_DIGITS, label);

export type LinkIds =
  | { readonly ok: true; readonly ids: readonly string[] }
  /** `at`: the operator, or the character of the value that was not expected. */
  | { readonly ok: false; readonly error: string; readonly at: 'operator' | number };

/**
 * The ids that a matcher names, in lower case: one, or with `=~` a list `a|b`. Anything else would have to read every sample that has
 * an id, or those that have none.
 */
export function linkIds(label: LinkLabel, { op, value }: Pick<Matcher, 'op' | 'value'>): LinkIds {
  if (op !== '=' && op !== '=~')
    return { ok: false, error: `${label} takes = or =~ with a list of ids, not ${op}`, at: 'operator' };
  const digits = LINK_DIGITS[label];
  const ids: string[] = [];
  for (let at = 0; ; at++) {
    const id = /^[0-9a-f]*/i.exec(value.slice(at))![0];
    at += id.length;
    const ends = at === value.length || (op === '=~' && value[at] === '|');
    if (id.length !== digits || !ends) {
      const list = op === '=~' ? ', or several with | between them' : '';
      return { ok: false, error: `expected a ${label} of ${digits} hexadecimal digits${list}`, at };
    }
    ids.push(id.toLowerCase());
    if (at === value.length) return { ok: true, ids };
  }
}

/**
 * The condition on the table `linked_samples` for the ids that a selector names, by the expressions that its indexes are over; null when
 * it names none.
 * @param prefix of the parameters' names
 */
export function compileLinks(
  { matchers }: Selector,
  prefix = 'link',
): { readonly where: string; readonly params: Record<string, readonly string[]> } | null {
  const params: Record<string, readonly string[]> = {};
  const conditions = matchers.flatMap((matcher, i) => {
    if (!isLinkLabel(matcher.label)) return [];
    const found = linkIds(matcher.label, matcher);
    // Whoever made it without the parser gets nothing, and never everything.
    params[`${prefix}${i}`] = found.ok ? found.ids : [];
    return [`lower(hex(${matcher.label})) IN {${prefix}${i}:Array(String)}`];
  });
  return conditions.length === 0 ? null : { where: conditions.join(' AND '), params };
}
