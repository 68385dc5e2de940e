import { z } from 'zod';
import { filtersSchema } from './filters.ts';
import { patternSchema } from './pattern.ts';

/** Bytes of a document as JSON in UTF-8: every node reads it. */
export const MAX_DOCUMENT_BYTES = 128 * 1024;

const whole = (min: number, max: number) => {
  const message = `must be a whole number from ${min} to ${max}`;
  return z.number(message).int(message).min(min, message).max(max, message);
};
const limit = (min: number, max: number) => {
  const message = `must be a number from ${min} to ${max}, or null for no limit`;
  return z.number(message).min(min, message).max(max, message).nullable();
};

/** What the profiler may cost a node, and how the governor keeps to it. */
export const budgetSchema = z.strictObject({
  /** CPU of collector and sampler, its BPF program included while the kernel counts that: percent of one core. */
  cpuPercent: limit(0.001, 100_000).optional(),
  /** Resident memory of collector and sampler together, MiB. */
  memoryMib: limit(1, 1 << 20).optional(),
  /** Cost is judged over so long. */
  windowSeconds: whole(1, 3600).optional(),
  /** How long there must be room before a step back up. */
  calmSeconds: whole(1, 86_400).optional(),
  /** The rate is not lowered below this. */
  minRateHz: whole(1, 999).optional(),
  /** Once the rate is at its lowest, worse rungs are used down to this one: 1 = none, 3 = down to own processes only. */
  lowestRung: whole(1, 3).optional(),
});
export type BudgetSettings = z.infer<typeof budgetSchema>;

/** Everything is optional: what is not stated comes from the layer below (see `resolveSettings`). */
export const settingsSchema = z.strictObject({
  /** Samples a second and CPU. */
  rateHz: whole(1, 999).optional(),
  /** Length of a window; a change restarts the sampler. */
  windowSeconds: whole(1, 60).optional(),
  /** The best rung that may be used; `auto` = the best that the machine can. A change restarts the sampler. */
  rung: z.union([z.literal('auto'), z.literal([1, 2, 3])], 'must be auto, 1, 2 or 3').optional(),
  /** Profiles of the time that threads are blocked, too (rung 1). A change restarts the sampler. */
  offCpu: z.boolean('must be true or false').optional(),
  budget: budgetSchema.optional(),
  filters: filtersSchema.optional(),
});
export type Settings = z.infer<typeof settingsSchema>;

/** Settings of some nodes. A node is meant when its name matches `nodes` and its cluster matches `clusters`, where stated. */
export const overrideSchema = z.strictObject({
  /** For people. */
  comment: z.string().max(500, 'must have at most 500 characters').optional(),
  /** Patterns of names of nodes. */
  nodes: z.array(patternSchema, 'must be a list of patterns, e.g. ["gpu-*"]').min(1).max(1000),
  /** Patterns of names of clusters; left out = every cluster. */
  clusters: z.array(patternSchema, 'must be a list of patterns').min(1).max(100).optional(),
  settings: settingsSchema,
});
export type Override = z.infer<typeof overrideSchema>;

/**
 * The fleet's configuration. Its version stands beside it in the store, not in it: 1, 2, 3, …, 0 = there is none.
 * `{}` is a valid document and states nothing.
 */
export const fleetConfigSchema = z.strictObject({
  defaults: settingsSchema.optional(),
  /** Later ones win over earlier ones. */
  overrides: z
    .array(overrideSchema, 'must be a list of overrides')
    .max(1000, 'must hold at most 1000 overrides')
    .optional(),
});
export type FleetConfig = z.infer<typeof fleetConfigSchema>;
