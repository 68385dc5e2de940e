import { badRequest } from './api-error.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
/** Latest second that a DateTime column holds. */
const LAST_SECOND = 2 ** 32 - 1;

/** Whole Unix seconds: from <= t < until. */
export interface TimeRange {
  readonly from: number;
  readonly until: number;
}

/**
 * Unix seconds, Unix milliseconds (from 10^11 on), RFC 3339, `now`, or `now-15m` with ms, s, m, h, d, w.
 * @returns Unix milliseconds
 * @throws ApiError 400 that names the parameter
 */
export function parseTime(name: string, text: string, nowMs: number): number {
  const value = text.trim();
  if (value === 'now') return nowMs;
  const relative = /^now\s*-\s*(\d{1,9})(ms|s|m|h|d|w)$/.exec(value);
  if (relative) return nowMs - Number(relative[1]) * (UNIT_MS[relative[2] as string] as number);
  if (/^\d{1,16}(\.\d{1,9})?$/.test(value)) {
    const number = Number(value);
    return number >= 1e11 ? number : number * 1000;
  }
  if (/^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2}))?$/.test(value)) {
    const ms = Date.parse(value.replace(' ', 'T'));
    if (!Number.isNaN(ms)) return ms;
  }
  throw badRequest(
    `${name}=${value.slice(0, 64)} is not a time; write Unix seconds or milliseconds, RFC 3339 with a zone, now, or now-15m`,
  );
}

/** The range of a request: the last hour unless it says otherwise; the second that `until` falls in is included. */
export function parseRange(from: string | undefined, until: string | undefined, nowMs: number, prefix = ''): TimeRange {
  const untilMs = parseTime(`${prefix}until`, until ?? 'now', nowMs);
  const fromMs = from === undefined ? untilMs - 3_600_000 : parseTime(`${prefix}from`, from, nowMs);
  const clamp = (seconds: number) => Math.max(0, Math.min(LAST_SECOND, seconds));
  const range = { from: clamp(Math.floor(fromMs / 1000)), until: clamp(Math.ceil(untilMs / 1000)) };
  if (range.from >= range.until) throw badRequest('from must lie before until');
  return range;
}
