import { parseSelector, type Selector } from '@perfleet/selector';
import { badRequest } from './api-error.ts';
import { parseRange, type TimeRange } from './time.ts';

/** Query string as Fastify parses it: a name given twice is an array. */
export type RawQuery = Readonly<Record<string, unknown>>;

export function text(raw: RawQuery, name: string): string | undefined {
  const value = raw[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string') throw badRequest(`${name} is given more than once`);
  return value;
}

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
