import { z } from 'zod';

/** Resource attribute: `none` when the node could not tell to which pod, container or host process a sample belongs. */
export const ATTRIBUTION = 'perfleet.attribution';

/** Why a sample that was taken is not stored. `off-cpu`: of blocked time, for want of room or budget. `filtered`: on purpose, by the fleet's configuration or a pod's annotation. */
export const LOSS_REASONS = [
  'throttled',
  'map-full',
  'ring-full',
  'off-cpu',
  'spool-dropped',
  'spool-full',
  'undecodable',
  'clamped',
  'unclean-exit',
  'filtered',
] as const;
export type LossReason = (typeof LOSS_REASONS)[number];
export type LossCounts = Partial<Record<LossReason, number>>;

/** Counts by reason, without what was left out on purpose: what somebody would miss. */
export function unwantedLosses(
  lost: Readonly<Record<string, number>>,
): Array<readonly [reason: string, count: number]> {
  return Object.entries(lost).filter(([reason]) => reason !== 'filtered');
}

const hex64 = z.string().regex(/^[0-9a-f]{16}$/);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/**
 * Headers of a message on `perfleet.profiles`. `taken` and `lost` are cumulative within the epoch and hold
 * after this message: taken = samples stored from messages 1..seq + lost, so a gap still has an exact count.
 */
export interface ProfileHeaders {
  /** What the body is, e.g. `opentelemetry-proto/1.10.0`. */
  readonly schema: string;
  readonly node: string;
  /** Random 64 bits of this run of the collector, 16 hex digits. */
  readonly epoch: string;
  /** When the epoch began: Unix milliseconds, the node's clock. */
  readonly epochStart: number;
  /** 1, 2, 3, … within the epoch. */
  readonly seq: number;
  /** When the message was handed to the stream (not when it was spooled): Unix milliseconds, the node's clock. */
  readonly sent: number;
  readonly taken: number;
  readonly lost: LossCounts;
}

const lossSchema = z
  .record(z.string().max(64), count)
  .refine((r) => Object.keys(r).length <= 32, 'more than 32 reasons');
const headersSchema = z.object({
  schema: z.string().max(128),
  node: z.string().min(1).max(253),
  epoch: hex64,
  epochStart: count,
  seq: count.min(1),
  sent: count,
  taken: count,
  lost: lossSchema,
});

export function encodeProfileHeaders(h: ProfileHeaders): Record<string, string> {
  return {
    schema: h.schema,
    node: h.node,
    epoch: h.epoch,
    'epoch-start': String(h.epochStart),
    seq: String(h.seq),
    sent: String(h.sent),
    taken: String(h.taken),
    lost: JSON.stringify(h.lost),
  };
}

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** Never throws: headers are what somebody else wrote. */
export function decodeProfileHeaders(raw: Readonly<Record<string, string>>): Parsed<ProfileHeaders> {
  let lost: unknown;
  try {
    lost = JSON.parse(raw['lost'] ?? '{}');
  } catch {
    return { ok: false, error: 'header lost: not JSON' };
  }
  const number = (name: string) => (/^\d{1,16}$/.test(raw[name] ?? '') ? Number(raw[name]) : NaN);
  return parseWith(headersSchema, {
    schema: raw['schema'],
    node: raw['node'],
    epoch: raw['epoch'],
    epochStart: number('epoch-start'),
    seq: number('seq'),
    sent: number('sent'),
    taken: number('taken'),
    lost,
  }) as Parsed<ProfileHeaders>;
}

/** zod's result with every issue in one line. */
export function parseWith<T>(schema: z.ZodType<T>, input: unknown): Parsed<T> {
  const result = schema.safeParse(input);
  if (result.success) return { ok: true, value: result.data };
  return {
    ok: false,
    error: result.error.issues.map((i) => `${i.path.join('.') || 'message'}: ${i.message}`).join('; '),
  };
}

/** Parses a JSON body of at most `maxBytes`. Never throws. */
export function parseJson<T>(schema: z.ZodType<T>, body: Uint8Array | null, maxBytes = 4 << 20): Parsed<T> {
  if (body === null) return { ok: false, error: 'empty body' };
  if (body.byteLength > maxBytes) return { ok: false, error: `body of ${body.byteLength} bytes is over ${maxBytes}` };
  try {
    return parseWith(schema, JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)));
  } catch (cause) {
    return { ok: false, error: cause instanceof Error ? cause.message : String(cause) };
  }
}
