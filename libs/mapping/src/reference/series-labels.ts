import { seriesId } from '@perfleet/ids';
import { ATTRIBUTION } from '@perfleet/messages';
import { LABEL_PREFIX, type AttributeValue } from '@perfleet/otlp';
import type { SeriesRow } from './rows.ts';

export interface SeriesType {
  readonly type: string;
  readonly unit: string;
  readonly period: number;
  /** Stored value per unit of the wire's value. */
  readonly factor: number;
}

/** Samples counted with a period of CPU time become CPU time; every other type stays as it is. */
export function seriesType(
  sample: { type: string; unit: string },
  periodType: { type: string; unit: string },
  period: number,
): SeriesType {
  const counted = sample.type === 'samples' && sample.unit === 'count';
  if (counted && periodType.type === 'cpu' && periodType.unit === 'nanoseconds') {
    const nanoseconds = period > 0 ? period : 1;
    return { type: 'cpu', unit: 'nanoseconds', period: nanoseconds, factor: nanoseconds };
  }
  return { type: sample.type || 'samples', unit: sample.unit || 'count', period: Math.max(0, period), factor: 1 };
}

const MAX_LABEL = 1024;
const MAX_LABEL_NAME = 128;
const MAX_LABELS = 32;
/** What no sender adds: ours, and ids, each of which would make a series of its own. */
const NO_LABELS = ['attribution', 'span_id', 'trace_id'];

/**
 * Label set of a sample. Attributes of the sample win over those of the resource. A process id and a thread's name never
 * become labels: they would make a series of every process.
 */
export function seriesOf(
  attributes: ReadonlyMap<string, AttributeValue>,
  type: SeriesType,
  defaults: { node: string; cluster: string },
): SeriesRow {
  const text = (...keys: string[]) => {
    for (const key of keys) {
      const value = attributes.get(key);
      if (typeof value === 'string' && value !== '') return value.slice(0, MAX_LABEL);
    }
    return '';
  };
  const container = text('k8s.container.name', 'container.name');
  const process = baseName(text('process.executable.name', 'process.executable.path'));
  const row = {
    cluster: text('k8s.cluster.name') || defaults.cluster,
    node: text('k8s.node.name', 'host.name') || defaults.node,
    namespace: text('k8s.namespace.name'),
    pod: text('k8s.pod.name'),
    podUid: text('k8s.pod.uid'),
    container,
    containerId: text('container.id'),
    service: text('service.name') || container || process,
    process,
    type: type.type,
    unit: type.unit,
    period: type.period,
    // Only a node can tell what it could not tell; where a pod or container is known the claim is void.
    labels: addedLabels(attributes, text(ATTRIBUTION) === 'none' && text('k8s.pod.uid', 'container.id') === ''),
  };
  const shared = [
    ['cluster', row.cluster],
    ['namespace', row.namespace],
    ['container', row.container],
    ['service', row.service],
    ['process', row.process],
    ['type', row.type],
    ['unit', row.unit],
    ['period', String(row.period)],
    ...row.labels.map(([name, value]) => [`label.${name}`, value] as const),
  ] as const;
  const instance = [
    ['node', row.node],
    ['pod', row.pod],
    ['pod_uid', row.podUid],
    ['container_id', row.containerId],
  ] as const;
  return { id: seriesId([...shared, ...instance]), workload: seriesId(shared), ...row };
}

/**
 * Labels that the sender asked for by name; the first ones by name when there are too many. `attribution` is ours: `none` when
 * the node could not tell whose the samples are.
 */
function addedLabels(
  attributes: ReadonlyMap<string, AttributeValue>,
  unattributed: boolean,
): Array<readonly [string, string]> {
  const labels: Array<readonly [string, string]> = [];
  for (const [key, value] of attributes) {
    if (!key.startsWith(LABEL_PREFIX) || typeof value !== 'string' || value === '') continue;
    const name = key.slice(LABEL_PREFIX.length);
    if (name !== '' && !NO_LABELS.includes(name) && name.length <= MAX_LABEL_NAME)
      labels.push([name, value.slice(0, MAX_LABEL)]);
  }
  const first = labels.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MAX_LABELS);
  if (unattributed) first.push(['attribution', 'none']);
  return first.sort(([a], [b]) => (a < b ? -1 : 1));
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
