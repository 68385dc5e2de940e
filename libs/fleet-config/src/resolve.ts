import type { BudgetSettings, FleetConfig, Settings } from './document.ts';
import { NO_FILTERS, type FilterRule, type Filters } from './filters.ts';
import { matchesAny } from './pattern.ts';

export type Budget = { readonly [K in keyof BudgetSettings]-?: Exclude<BudgetSettings[K], undefined> };

/** Settings in force on one node: everything is stated. */
export interface NodeSettings {
  readonly rateHz: number;
  readonly windowSeconds: number;
  readonly rung: 'auto' | 1 | 2 | 3;
  readonly offCpu: boolean;
  readonly budget: Budget;
  readonly filters: Filters;
}

/** Generous: a node of 64 busy CPUs at 19 Hz stays well below; the memory is below the limit of the deployed container. */
export const DEFAULT_BUDGET: Budget = {
  cpuPercent: 50,
  memoryMib: 448,
  windowSeconds: 60,
  calmSeconds: 300,
  minRateHz: 3,
  lowestRung: 2,
};

export const DEFAULT_SETTINGS: NodeSettings = {
  rateHz: 19,
  windowSeconds: 5,
  rung: 'auto',
  offCpu: false,
  budget: DEFAULT_BUDGET,
  filters: NO_FILTERS,
};

/**
 * Layers, each winning over the one before: `base` (built in, then flags and variables of the collector), the document's defaults,
 * its overrides that mean the node, in their order. Budgets merge field by field. Rules of filters add up, those of a later layer
 * asked first; `otherwise` and `unknown` are the last ones stated.
 */
export function resolveSettings(
  document: FleetConfig | null,
  { node, cluster }: { readonly node: string; readonly cluster: string },
  base: NodeSettings = DEFAULT_SETTINGS,
): NodeSettings {
  const layers = [document?.defaults ?? {}];
  for (const { nodes, clusters, settings } of document?.overrides ?? []) {
    if (matchesAny(nodes, node) && (!clusters || matchesAny(clusters, cluster))) layers.push(settings);
  }
  return layers.reduce(merge, base);
}

function merge(below: NodeSettings, above: Settings): NodeSettings {
  const { filters, budget, ...rest } = above;
  const rules: readonly FilterRule[] = [...(filters?.rules ?? []), ...below.filters.rules];
  const { otherwise = below.filters.otherwise, unknown = below.filters.unknown } = filters ?? {};
  return {
    ...below,
    ...stated(rest),
    budget: { ...below.budget, ...stated(budget ?? {}) },
    filters: { rules, otherwise, ...(unknown && { unknown }) },
  };
}

function stated<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as never;
}
