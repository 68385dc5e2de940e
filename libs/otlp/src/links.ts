import { WireError } from './errors.ts';
import type { Dictionary } from './model.ts';
import { WireReader } from './wire-reader.ts';

const TRACE_BYTES = 16;
/** A trace id and a span id. */
export const LINK_BYTES = TRACE_BYTES + 8;

/** The span that a sample was taken in: 32 and 16 hexadecimal digits, zeros where one of them is unknown. */
export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
}

/**
 * What a sample's link index stands for. An index of nothing, or ids of another length than their own, are no link, and no reason
 * to lose the sample.
 */
export function linkAt({ links }: Pick<Dictionary, 'links'>, index: number): SpanLink | null {
  if (index === 0) return null;
  const row = links.subarray(index * LINK_BYTES, (index + 1) * LINK_BYTES);
  if (row.every((byte) => byte === 0)) return null;
  const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { traceId: hex(row.subarray(0, TRACE_BYTES)), spanId: hex(row.subarray(TRACE_BYTES)) };
}

/** Zeros when an id has another length than its own or none, and when the bytes are no message. */
export function decodeLink(bytes: Uint8Array): Uint8Array {
  const link = new Uint8Array(LINK_BYTES);
  const reader = new WireReader(bytes);
  let trace: Uint8Array = new Uint8Array(0);
  let span: Uint8Array = new Uint8Array(0);
  try {
    while (reader.next()) {
      if (reader.field === 1) trace = reader.data();
      else if (reader.field === 2) span = reader.data();
      else reader.skip();
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return link;
  }
  if (![0, TRACE_BYTES].includes(trace.length) || ![0, LINK_BYTES - TRACE_BYTES].includes(span.length)) return link;
  link.set(trace);
  link.set(span, TRACE_BYTES);
  return link;
}
