import { text, type Schema } from './schema.ts';

/** A parameter of OpenAPI; formats of Perfleet's own say what a text must be, and clients take them for texts. */
export type Parameter = Readonly<Record<string, unknown>>;

export const query = (name: string, description: string, schema: Schema = text()): Parameter => ({
  name,
  in: 'query',
  required: false,
  description,
  schema,
});
export const path = (name: string, schema: Schema = text(undefined, { minLength: 1, maxLength: 253 })): Parameter => ({
  name,
  in: 'path',
  required: true,
  schema,
});
export const whole = (minimum: number, maximum: number): Schema => ({ type: 'integer', minimum, maximum });

const TIME = text(undefined, { format: 'time-or-now' });
const SELECTOR = text(undefined, { format: 'selector', maxLength: 8192 });

const FROM = query(
  'from',
  'Unix seconds or milliseconds, RFC 3339, now, or now-15m; default one hour before until',
  TIME,
);
const UNTIL = query('until', 'As from; default now', TIME);
export const RANGE = [FROM, UNTIL];
export const SELECTION = [
  query('query', 'Selector, e.g. cpu{service="checkout", namespace=~"shop.*"}; empty = everything', SELECTOR),
  ...RANGE,
];
export const BASE = [
  query('baseQuery', 'Selector of the base; default query', SELECTOR),
  query('baseFrom', 'Default from', TIME),
  query('baseUntil', 'Default until', TIME),
];
export const limit = (maximum: number, fallback: number, minimum = 1) =>
  query('limit', `Most entries of the answer (${fallback})`, whole(minimum, maximum));
/** Seconds: up to a year. */
export const step = (of: string) => query('step', `Seconds per ${of}`, whole(1, 31_536_000));
