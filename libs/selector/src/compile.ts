import { derivedType, derivedTypeOf, type DerivedType } from './derived.ts';
import { isLinkLabel } from './links.ts';
import type { Matcher, Selector } from './model.ts';

/** Columns of the `series` table that are labels. */
export const SERIES_LABELS = [
  'cluster',
  'node',
  'namespace',
  'pod',
  'pod_uid',
  'container',
  'container_id',
  'service',
  'process',
  'type',
] as const;

/** What users of Prometheus, Pyroscope and OpenTelemetry call those columns. */
const ALIASES: Readonly<Record<string, string>> = {
  __name__: 'type',
  __profile_type__: 'type',
  service_name: 'service',
  'service.name': 'service',
  'k8s.cluster.name': 'cluster',
  'k8s.node.name': 'node',
  'k8s.namespace.name': 'namespace',
  'k8s.pod.name': 'pod',
  'k8s.pod.uid': 'pod_uid',
  'k8s.container.name': 'container',
  'container.id': 'container_id',
  'process.executable.name': 'process',
};

const columns = new Set<string>(SERIES_LABELS);

/** SQL over the `series` table with `{name:String}` placeholders only: no text of the user enters it. */
export interface CompiledSelector {
  readonly where: string;
  readonly params: Record<string, string>;
}

/** The column of `series` that a label is, by any of its names; undefined for an entry of the `labels` map. */
export function seriesColumn(label: string): string | undefined {
  if (columns.has(label)) return label;
  return Object.hasOwn(ALIASES, label) ? ALIASES[label] : undefined;
}

/**
 * SQL expression of a label's value: a column, or an entry of the `labels` map ("" when absent).
 * @param param name of the query parameter that carries the label's name where it is not a column
 */
export function labelExpression(label: string, param: string): CompiledSelector {
  const column = seriesColumn(label);
  if (column !== undefined) return { where: column, params: {} };
  return { where: `labels[{${param}:String}]`, params: { [param]: label } };
}

/** The derived type that a selector chooses, if it does. */
export function selectedDerivedType(selector: Selector): DerivedType | undefined {
  return derivedTypeOf(selector, (label) => seriesColumn(label) === 'type');
}

/** Any part of a derived type, in its unit. */
function anyPart({ of, unit }: DerivedType, prefix: string): CompiledSelector {
  const names = of.map((_, i) => `${prefix}_${i}`);
  return {
    where: `type IN (${names.map((name) => `{${name}:String}`).join(', ')}) AND unit = {${prefix}_unit:String}`,
    params: { ...Object.fromEntries(names.map((name, i) => [name, of[i]!])), [`${prefix}_unit`]: unit },
  };
}

/**
 * The condition on `series` for a selector; "1" when it selects everything. Ids of spans are no matter of series: `compileLinks`.
 * Regular expressions are RE2, checked by ClickHouse when the query runs.
 * @param prefix of the parameters' names, so that two selectors fit into one query
 */
export function compileSelector(selector: Selector, prefix = 'p'): CompiledSelector {
  const params: Record<string, string> = {};
  const conditions: string[] = [];
  const all: readonly Matcher[] =
    selector.type === '' ? selector.matchers : [{ label: 'type', op: '=', value: selector.type }, ...selector.matchers];
  all.forEach(({ label, op, value }, i) => {
    if (isLinkLabel(label)) return;
    const derived = op === '=' && seriesColumn(label) === 'type' ? derivedType(value) : undefined;
    if (derived) {
      const parts = anyPart(derived, `${prefix}${i}`);
      Object.assign(params, parts.params);
      conditions.push(parts.where);
      return;
    }
    const left = labelExpression(label, `${prefix}${i}_label`);
    Object.assign(params, left.params);
    const name = `${prefix}${i}`;
    const isRegex = op === '=~' || op === '!~';
    // The group keeps alternatives inside the anchors.
    params[name] = isRegex ? `^(?:${value})$` : value;
    const right = `{${name}:String}`;
    if (isRegex) conditions.push(`${op === '!~' ? 'NOT ' : ''}match(${left.where}, ${right})`);
    else conditions.push(`${left.where} ${op} ${right}`);
  });
  return { where: conditions.length === 0 ? '1' : conditions.join(' AND '), params };
}
