import type { NodeSettings } from '@perfleet/fleet-config';

/** What differs for this node, one entry a field: `rateHz 19 -> 49`. */
export function settingsChange(before: NodeSettings, after: NodeSettings): string[] {
  const [old, now] = [flat(before), flat(after)];
  return Object.keys(now)
    .filter((key) => old[key] !== now[key])
    .map((key) => (key === 'filters' ? 'filters changed' : `${key} ${old[key]} -> ${now[key]}`));
}

function flat({ budget, filters, ...rest }: NodeSettings): Record<string, string> {
  const budgets = Object.entries(budget).map(([key, value]) => [`budget.${key}`, String(value)]);
  const own = Object.entries(rest).map(([key, value]) => [key, String(value)]);
  return { ...Object.fromEntries([...own, ...budgets]), filters: JSON.stringify(filters) };
}
