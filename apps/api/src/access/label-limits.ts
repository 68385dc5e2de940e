import { formatSelector, parseSelector, type Matcher } from '@perfleet/selector';
import { formatLabels, isLimited, type LabelLimits } from '@perfleet/tokens';
import { ApiError, badRequest } from '../http/api-error.ts';
import type { Caller } from './caller.ts';
import type { RouteAccess } from './route-access.ts';

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

function matchersOf(labels: LabelLimits): Matcher[] {
  return Object.entries(labels).map(([label, values]) =>
    values.length === 1
      ? { label, op: '=', value: values[0]! }
      : { label, op: '=~', value: values.map(escaped).join('|') },
  );
}

/**
 * A selector of the user's, narrowed to what the labels allow: all matchers of a selector must hold, so nothing in it widens it.
 * @throws ApiError 400 as for the selector itself
 */
export function limitSelector(text: string, labels: LabelLimits): string {
  if (!isLimited(labels)) return text;
  const parsed = parseSelector(text);
  if (!parsed.ok) throw badRequest(parsed.error, parsed.position);
  const { type, matchers } = parsed.value;
  return formatSelector({ type, matchers: [...matchers, ...matchersOf(labels)] });
}

/**
 * Narrows the selectors of a request before anything reads them, in place.
 * @throws ApiError 403 where a route cannot be narrowed, 400
 */
export function limitQuery(query: Record<string, unknown>, caller: Caller, { limit }: RouteAccess): void {
  const { labels } = caller;
  if (!isLimited(labels) || limit === 'none' || limit === 'messages') return;
  if (limit === undefined)
    throw new ApiError(
      403,
      'forbidden',
      `this token sees ${formatLabels(labels)} only, and this cannot be narrowed to it; use a token without labels`,
    );
  for (const name of limit) {
    const value = query[name] ?? '';
    // A name that is given twice is refused where it is read.
    if (typeof value === 'string' && (value !== '' || name === 'query')) query[name] = limitSelector(value, labels);
  }
}
