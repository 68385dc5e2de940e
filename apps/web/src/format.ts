/** A value with its unit, three significant digits: nanoseconds of CPU read as µs, ms, s, min or h. */
export function formatValue(value: number, unit: string): string {
  if (unit !== 'nanoseconds') return `${compact(value)} ${unit}`;
  const seconds = value / 1e9;
  if (seconds >= 7200) return `${compact(seconds / 3600)} h`;
  if (seconds >= 120) return `${compact(seconds / 60)} min`;
  if (seconds >= 1) return `${compact(seconds)} s`;
  if (seconds >= 1e-3) return `${compact(seconds * 1e3)} ms`;
  return `${compact(seconds * 1e6)} µs`;
}

/** What a value of a profile type is an amount of, after the value: `3 s of CPU`. */
export function amountOf(type: string): string {
  return TIME_OF[type] ?? `(${type})`;
}

/** The mean of such an amount over `seconds`, with its unit. */
export function formatRate(value: number, seconds: number, type: string, unit: string): string {
  const of = BUSY[type];
  if (of === undefined) return `${formatValue(value / seconds, unit)} a second`;
  return `${(value / 1e9 / seconds).toFixed(2)} ${of}`;
}

const BUSY: Readonly<Record<string, string>> = { cpu: 'cores', off_cpu: 'threads', wall_clock: 'threads' };
const TIME_OF: Readonly<Record<string, string>> = {
  cpu: 'of CPU',
  off_cpu: 'blocked',
  wall_clock: 'of wall clock',
};

export function formatShare(value: number, of: number): string {
  if (of <= 0) return '–';
  const share = (100 * value) / of;
  return `${share >= 10 ? share.toFixed(1) : share.toFixed(2)} %`;
}

export function compact(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en');
  return value.toPrecision(3);
}

/** Seconds since `time` (Unix milliseconds) in words. */
export function formatAgo(time: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - time) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}
