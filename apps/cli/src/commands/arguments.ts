import { InvalidArgumentError } from 'commander';

/** Seconds of `10s`, `2m`, `500ms` or a plain number of seconds. */
export function parseDuration(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text);
  const seconds = match ? Number(match[1]) * { ms: 0.001, s: 1, m: 60 }[(match[2] ?? 's') as 'ms' | 's' | 'm'] : NaN;
  if (!(seconds > 0 && seconds <= 86_400))
    throw new Error(`${flag} ${text}: expected a time such as 10s, 2m or 500ms, at most a day`);
  return seconds;
}

export function wholeNumber(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new Error(`${flag} ${text}: expected a whole number from ${min} to ${max}`);
  return value;
}

const PERIODS = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `30m`, `12h` or `90d`, at most ten years. */
export function parsePeriod(flag: string, text: string): number {
  const match = /^(\d{1,6})([mhd])$/.exec(text);
  const ms = match ? Number(match[1]) * PERIODS[match[2] as 'm' | 'h' | 'd'] : NaN;
  if (!(ms > 0 && ms <= 3653 * PERIODS.d))
    throw new Error(`${flag} ${text}: expected a time such as 30m, 12h or 90d, at most ten years`);
  return ms;
}

/** One more `name=value` of an option that may be repeated. */
export function namedValue(text: string, before: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('write name=value');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Unix milliseconds of Unix seconds, RFC 3339, `now` or `now-2h`. @param now Unix milliseconds */
export function parseTime(flag: string, text: string, now: number): number {
  if (text === 'now') return now;
  if (text.startsWith('now-')) return now - parsePeriod(flag, text.slice('now-'.length));
  const ms = /^\d{1,11}$/.test(text) ? Number(text) * 1000 : /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(ms))
    throw new Error(`${flag} ${text}: expected Unix seconds, a time such as 2026-11-26T13:00:00Z, or now-2h`);
  return ms;
}
