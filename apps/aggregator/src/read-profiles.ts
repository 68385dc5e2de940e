import { LINKED_ROW_BYTES, SAMPLE_ROW_BYTES, type MappedMessages, type MessageMapper } from '@perfleet/mapping';
import { decodeProfileHeaders, type ProfileHeaders } from '@perfleet/messages';
import { OTLP_SCHEMA } from '@perfleet/otlp';
import type { StreamMessage } from '@perfleet/stream';

const MAX_SKEW_MS = 60_000;

/** What became of a message that can be used. */
export interface MappedProfiles {
  /** Its own rows of samples. */
  readonly samples: Uint8Array;
  /** Those of them that have a link. */
  readonly linked: Uint8Array;
  readonly stored: number;
  readonly clamped: number;
}

export interface ProfilesItem {
  readonly message: StreamMessage;
  /** Of the body, which `message` may no longer have. */
  readonly bytes: number;
  readonly headers: ProfileHeaders | null;
  /** Null when it cannot be used. */
  readonly mapped: MappedProfiles | null;
  /** What was mapped together with it, usable or not: series, stacks and frames that it or a later message refers to. */
  readonly batch: MappedMessages | null;
  /** Why it cannot be used; empty when it can. */
  readonly reason: string;
  readonly skewMs: number;
}

/** Rows of an item, the row of its delivery not counted. */
export const sampleRows = ({ mapped }: ProfilesItem) => (mapped?.samples.byteLength ?? 0) / SAMPLE_ROW_BYTES;

/** Never rejects on what a message holds: what cannot be used is a value with a reason. In the order of the messages. */
export async function readProfiles(mapper: MessageMapper, messages: readonly StreamMessage[]): Promise<ProfilesItem[]> {
  const items = messages.map(readHeaders);
  const usable = items.flatMap(({ message, headers, skewMs, reason }, at) =>
    headers && message.value && reason === ''
      ? [{ at, body: message.value, node: headers.node, timestamp: message.timestamp, shiftMs: skewMs }]
      : [],
  );
  if (usable.length === 0) return items;
  const batch = await mapper.map(usable);
  usable.forEach(({ at }, i) => {
    const item = items[at]!;
    const reason = batch.reasons[i]!;
    const rows = (bytes: Uint8Array, ends: Uint32Array, size: number) =>
      bytes.subarray((ends[i - 1] ?? 0) * size, ends[i]! * size);
    const samples = rows(batch.samples, batch.ends, SAMPLE_ROW_BYTES);
    const linked = rows(batch.linked, batch.linkedEnds, LINKED_ROW_BYTES);
    const mapped = { samples, linked, stored: batch.stored[i]!, clamped: batch.clamped[i]! };
    // The body has become rows: holding it until the block is written would double the memory.
    items[at] = reason
      ? { ...item, batch, reason }
      : { ...item, batch, mapped, message: { ...item.message, value: null } };
  });
  return items;
}

function readHeaders(message: StreamMessage): ProfilesItem {
  const parsed = decodeProfileHeaders(message.headers);
  const item = { message, bytes: message.value?.byteLength ?? 0, mapped: null, batch: null };
  if (!parsed.ok) return { ...item, headers: null, reason: `headers: ${parsed.error}`, skewMs: 0 };
  const headers = parsed.value;
  const difference = message.timestamp - headers.sent;
  const skewMs = Math.abs(difference) > MAX_SKEW_MS ? difference : 0;
  let reason = message.value === null ? 'empty body' : '';
  if (headers.schema !== OTLP_SCHEMA) reason = `schema ${headers.schema} is not ${OTLP_SCHEMA}`;
  return { ...item, headers, reason, skewMs };
}
