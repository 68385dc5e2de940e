import { TokenRequestError, type Scope } from './scopes.ts';

/** Label -> the values that may be seen; labels are and-ed, values or-ed. */
export type LabelLimits = Readonly<Record<string, readonly string[]>>;

/** So that what is added to a selector stays well within its bounds. */
const MAX_LABELS = 8;
const MAX_VALUES = 16;

export function isLimited(labels: LabelLimits): boolean {
  return Object.keys(labels).length > 0;
}

/** `namespace=shop|cart`, for people. */
export function formatLabels(labels: LabelLimits): string {
  return Object.entries(labels)
    .map(([label, values]) => `${label}=${values.join('|')}`)
    .join(', ');
}

/**
 * @param pairs `namespace=shop`; a label that comes again has one more value
 * @throws TokenRequestError
 */
export function parseLabels(pairs: readonly string[]): LabelLimits {
  const labels = new Map<string, string[]>();
  for (const pair of pairs) {
    const [, label, value] = /^([A-Za-z_][A-Za-z0-9_.]{0,127})=(.{1,253})$/.exec(pair) ?? [];
    if (label === undefined || value === undefined)
      throw new TokenRequestError(`label ${pair.slice(0, 100)}: expected NAME=VALUE, e.g. namespace=shop`);
    labels.set(label, [...new Set([...(labels.get(label) ?? []), value])]);
  }
  return Object.fromEntries(labels);
}

/** @throws TokenRequestError when the limit could not be kept by what the scopes open */
export function checkLabels(labels: LabelLimits, scopes: readonly Scope[]): void {
  if (!isLimited(labels)) return;
  const others = scopes.filter((scope) => scope !== 'read' && scope !== 'sql');
  if (others.length > 0)
    throw new TokenRequestError(
      `labels limit the scopes read and sql only: leave out ${others.join(', ')}, or make a second token without labels`,
    );
  if (Object.keys(labels).length > MAX_LABELS || Object.values(labels).some((values) => values.length > MAX_VALUES))
    throw new TokenRequestError(`at most ${MAX_LABELS} labels with ${MAX_VALUES} values each`);
}
