import { crc32 } from 'node:zlib';

/** A message in the spool's file. */
export interface MessageRow {
  id: number;
  topic: string;
  epoch: string;
  seq: number | null;
  samples: number;
  lost: string;
  size: number;
  body: Uint8Array;
  /** When it was appended, Unix milliseconds of the clock as it is now. */
  at: number;
  /** Of body and counts. */
  crc: number;
}

export const crcOf = (samples: number, lost: string, body: Uint8Array): number =>
  crc32(body, crc32(`${samples} ${lost}`));

/** A message as it was written. 0 is what earlier versions wrote, which noted no sum. */
export const isWhole = ({ samples, lost, body, crc }: MessageRow): boolean =>
  crc === 0 || crc === crcOf(samples, lost, body);

/** Counts of a message that may be damaged. */
export function countsIn(lost: string): Record<string, number> {
  try {
    return JSON.parse(lost) as Record<string, number>;
  } catch {
    return {};
  }
}

export function add(into: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [reason, n] of Object.entries(more)) if (n > 0) into[reason] = (into[reason] ?? 0) + n;
}

export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, n) => total + n, 0);
}
