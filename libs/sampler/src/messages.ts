import { z } from 'zod';
import { SamplerProtocolError } from './errors.ts';

const count = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const text = z.string().transform((s) => s.slice(0, 4000));

/** What the sampler says of itself, once. */
export const helloSchema = z.object({
  protocol: z.literal(1),
  rung: z.number().int().min(1).max(4),
  reason: text.default(''),
  kernel: text.default(''),
  cpus: count.default(0),
  rateHz: count.default(0),
  /** What drives the samples: `cycles` or `cpu-clock`, and why not the former. */
  event: text.default(''),
  eventReason: text.default(''),
  capabilities: z.array(text).max(64).default([]),
  tried: z
    .array(z.object({ rung: z.number().int(), error: text }))
    .max(16)
    .default([]),
});
export type SamplerHello = z.infer<typeof helloSchema>;

/** Once a window; counts are cumulative since hello. */
export const statsSchema = z.object({
  taken: count.default(0),
  lost: z.record(z.string().max(64), count).default({}),
  cpuMs: count.default(0),
  /** Run time of BPF programs, where it is measured: no part of `cpuMs`. */
  bpfMs: count.optional(),
  rssKb: count.default(0),
  processes: count.default(0),
});
export type SamplerStats = z.infer<typeof statsSchema>;

export const logSchema = z.object({ level: z.enum(['info', 'warn', 'error']).catch('info'), message: text });
export type SamplerLog = z.infer<typeof logSchema>;

const MAX_JSON_BYTES = 1 << 20;

/** @throws SamplerProtocolError when the payload is not the JSON object that the protocol states */
export function decodeJson<T>(what: string, schema: z.ZodType<T>, payload: Uint8Array): T {
  if (payload.length > MAX_JSON_BYTES) throw new SamplerProtocolError(`${what} of ${payload.length} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(payload).toString('utf8'));
  } catch (cause) {
    throw new SamplerProtocolError(`${what} is not JSON`, { cause });
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issues = result.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; ');
  throw new SamplerProtocolError(`${what}: ${issues}`);
}
