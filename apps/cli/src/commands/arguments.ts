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
