import { readFileSync } from 'node:fs';
import { cpuOf } from './processes.ts';

/** CPU seconds (user and system) of this process with all its threads: the embedded engine is among them. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** CPU seconds of this process's children that have ended. */
export function childrenCpu(): number {
  return cpuOf(process.pid).children;
}

export interface Measured<T> {
  readonly value: T;
  readonly seconds: number;
  readonly cpu: number;
}

/** Children that end meanwhile count: files are parsed in some. */
export async function measure<T>(work: () => T | Promise<T>): Promise<Measured<T>> {
  const all = () => cpuSeconds() + childrenCpu();
  const [start, cpu] = [performance.now(), all()];
  const value = await work();
  return { value, seconds: (performance.now() - start) / 1000, cpu: all() - cpu };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Resident set of a process, MB. */
export function residentMb(pid: number | 'self' = 'self'): number {
  return statusKb(pid, 'VmRSS') / 1024;
}

/** The largest resident set since `resetPeak`, MB. */
export function peakMb(pid: number | 'self' = 'self'): number {
  return statusKb(pid, 'VmHWM') / 1024;
}

function statusKb(pid: number | 'self', field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? 0);
}

/** A whole number, with k, M or G behind it. @throws Error that names the flag */
export function parseCount(flag: string, value: string | undefined, fallback: number, max: number): number {
  if (value === undefined) return fallback;
  const match = /^(\d+(?:\.\d+)?)\s*([kMG])?$/.exec(value);
  const count = match
    ? Number(match[1]) * { '': 1, k: 1e3, M: 1e6, G: 1e9 }[(match[2] ?? '') as '' | 'k' | 'M' | 'G']
    : NaN;
  if (!(count >= 1 && count <= max))
    throw new Error(`${flag} ${value}: expected a number such as 500k or 10M, at most ${max}`);
  return Math.round(count);
}
