import { parseSelector, type Selector } from '@perfleet/selector';
import { matchesPattern } from '@perfleet/fleet-config';
import { badRequest } from './api-error.ts';
import { parseRange, type TimeRange } from './time.ts';

/** Characters of a pattern. */
const MAX_PATTERN = 1024;
/** Characters of a function's name: those of C++ are long. */
const MAX_FUNCTION = 8192;

/** Query string as Fastify parses it: a name given twice is an array. */
export type RawQuery = Readonly<Record<string, unknown>>;

export function text(raw: RawQuery, name: string): string | undefined {
  const value = raw[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string') throw badRequest(`${name} is given more than once`);
  return value;
}

function shortText(raw: RawQuery, name: string, most: number): string | undefined {
  const value = text(raw, name);
  if (value !== undefined && value.length > most) throw badRequest(`${name} has more than ${most} characters`);
  return value;
}

export function flag(raw: RawQuery, name: string): boolean {
  const value = text(raw, name) ?? 'false';
  if (value !== 'true' && value !== 'false') throw badRequest(`${name} must be true or false`);
  return value === 'true';
}

/** @param fallback one of them */
export function oneOf<T extends string>(raw: RawQuery, name: string, values: readonly T[], fallback: T): T {
  const value = text(raw, name) ?? fallback;
  const known = values.find((one) => one === value);
  if (known === undefined) throw badRequest(`${name} must be one of ${values.join(', ')}`);
  return known;
}

/** Says whether a name matches; undefined = every one does. Its cost is bounded, unlike a regular expression's. */
export function pattern(raw: RawQuery, name: string): ((text: string) => boolean) | undefined {
  const value = shortText(raw, name, MAX_PATTERN);
  if (value === undefined) return undefined;
  return (candidate) => matchesPattern(value, candidate);
}

export const functionName = (raw: RawQuery, name: string) => shortText(raw, name, MAX_FUNCTION);

export function integer(raw: RawQuery, name: string, fallback: number, min: number, max: number): number {
  const value = text(raw, name);
  if (value === undefined) return fallback;
  const number = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
  if (!(number >= min && number <= max)) throw badRequest(`${name} must be a whole number from ${min} to ${max}`);
  return number;
}

export function selector(raw: RawQuery, name = 'query'): Selector {
  const result = parseSelector(text(raw, name) ?? '');
  if (!result.ok) throw badRequest(`${name}: ${result.error}`, result.position);
  return result.value;
}

export function range(raw: RawQuery, nowMs: number): TimeRange {
  return parseRange(text(raw, 'from'), text(raw, 'until'), nowMs);
}
