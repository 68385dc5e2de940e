import { z } from 'zod';
import { patternSchema } from './pattern.ts';

/** Patterns of one field: any of them. */
const patterns = z
  .array(patternSchema, 'must be a list of patterns, e.g. ["kube-system", "ci-*"]')
  .min(1, 'must hold at least one pattern')
  .max(100, 'must hold at most 100 patterns');

/**
 * What a process must be to be meant. All fields that are stated must match, each by any of its patterns; a process that lacks
 * what a field asks for (no pod, or a pod whose name is not known yet) is not meant. At least one field must be stated.
 */
export const filterMatchSchema = z
  .strictObject({
    /** Kubernetes namespace of the pod. */
    namespace: patterns.optional(),
    /** Name of the pod. */
    pod: patterns.optional(),
    /** Labels of the pod: name -> patterns of its value. A pod without that label is not meant. */
    podLabels: z
      .record(z.string().min(1).max(317), patterns)
      .refine((labels) => Object.keys(labels).length <= 20, 'must name at most 20 labels')
      .meta({ maxProperties: 20 })
      .optional(),
    /** Name of the container in its pod; a container without a pod has its id. */
    container: patterns.optional(),
    /** Name of the process as the kernel has it (`/proc/PID/comm`, at most 15 characters). */
    process: patterns.optional(),
    /** Path of any of the process's cgroups, as `/proc/PID/cgroup` has it. */
    cgroup: patterns.optional(),
  })
  .refine((match) => Object.values(match).some((field) => field !== undefined), {
    message: 'must state at least one of namespace, pod, podLabels, container, process, cgroup',
  })
  .meta({ minProperties: 1 });
export type FilterMatch = z.infer<typeof filterMatchSchema>;

const ONE_IN = 'must be a whole number from 2 to 1000';

/** A rate in Hz (`rateHz`) is one of nodes: in a rule it is refused, and the error names `oneIn`. */
export const filterRuleSchema = z
  .strictObject({
    action: z.enum(['include', 'exclude'], 'must be include or exclude'),
    match: filterMatchSchema,
    /** Of the samples of what is meant one in so many is kept, which stands for as many: its period is so many times the node's. */
    oneIn: z.number(ONE_IN).int(ONE_IN).min(2, ONE_IN).max(1000, ONE_IN).optional(),
  })
  .refine(({ action, oneIn }) => action === 'include' || oneIn === undefined, {
    path: ['oneIn'],
    message: 'belongs to rules that include: nothing is kept of what is excluded',
  });
export type FilterRule = z.infer<typeof filterRuleSchema>;

/**
 * Which processes are profiled. Rules are asked in their order and the first one that matches decides; what none matches is as
 * `otherwise` says (`include` when it is not stated). So everything but one namespace is one `exclude` rule, and nothing but one
 * namespace is one `include` rule with `otherwise: "exclude"`.
 */
export const filtersSchema = z.strictObject({
  rules: z.array(filterRuleSchema, 'must be a list of rules').max(200, 'must hold at most 200 rules').optional(),
  otherwise: z.enum(['include', 'exclude'], 'must be include or exclude').optional(),
  /**
   * What becomes of a process when one window of waiting did not tell what decides. Not stated: what the rules leave open is
   * excluded; a process whose pod may only have opted out is excluded while a source of annotations is known that should know
   * its pod soon, and included where there is none.
   */
  unknown: z.enum(['include', 'exclude'], 'must be include or exclude').optional(),
});
export type FilterSettings = z.infer<typeof filtersSchema>;

/** Filters in force on a node. */
export interface Filters {
  readonly rules: readonly FilterRule[];
  readonly otherwise: 'include' | 'exclude';
  readonly unknown?: 'include' | 'exclude';
}

export const NO_FILTERS: Filters = { rules: [], otherwise: 'include' };
