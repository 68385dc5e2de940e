import { storedTypeOfId } from '@perfleet/pyroscope';
import { parseSelector, type Matcher, type Selector } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';

/** Nodes of a flame graph when the request does not say, as in Pyroscope's own configuration. */
export const DEFAULT_NODES = 8192;
const MAX_NODES = 1_000_000;
const END_OF_TIME = 0xffff_ffff;

/** Seconds from Unix milliseconds, both ends included; without either the whole time. @throws ApiError 400 */
export function rangeOf(start: bigint, end: bigint): TimeRange {
  if (start < 0n || end < 0n) throw badRequest('start and end must be Unix milliseconds');
  if (end !== 0n && end < start) throw badRequest('end is before start');
  const until = end === 0n ? END_OF_TIME : Number(end / 1000n) + 1;
  return { from: Math.min(END_OF_TIME, Number((start + 999n) / 1000n)), until: Math.min(END_OF_TIME, until) };
}

/** @throws ApiError 400 */
export function typeOf(profileTypeId: string): string {
  const type = storedTypeOfId(profileTypeId);
  if (type !== null) return type;
  throw badRequest(
    `profile_typeID ${JSON.stringify(profileTypeId.slice(0, 200))} must be name:sample_type:sample_unit:period_type:period_unit`,
  );
}

/** A label selector as Pyroscope's users write it; profile types inside it become Perfleet's. @throws ApiError 400 */
export function selectorOf(labelSelector: string, type = ''): Selector {
  const parsed = parseSelector(labelSelector);
  if (!parsed.ok) throw badRequest(`label selector: ${parsed.error}`, parsed.position);
  const own = parsed.value.type;
  return {
    type: type !== '' ? type : (storedTypeOfId(own) ?? own),
    matchers: parsed.value.matchers.map(storedMatcher),
  };
}

/** `query` of the older endpoints: the type's identity before the braces. @throws ApiError 400 */
export function queryOf(query: string): { selector: Selector; typeId: string } {
  const typeId = query.split('{')[0]!.trim();
  return {
    selector: selectorOf(query.slice(query.indexOf('{') < 0 ? query.length : query.indexOf('{')), typeOf(typeId)),
    typeId,
  };
}

function storedMatcher(matcher: Matcher): Matcher {
  if (matcher.label !== '__profile_type__') return matcher;
  return { ...matcher, value: storedTypeOfId(matcher.value) ?? matcher.value };
}

/** @throws ApiError 400 */
export function nodesOf(maxNodes: bigint | undefined): number {
  if (maxNodes === undefined || maxNodes === 0n) return DEFAULT_NODES;
  if (maxNodes < 0n) throw badRequest('max_nodes must not be negative');
  return Number(maxNodes > BigInt(MAX_NODES) ? MAX_NODES : maxNodes);
}
