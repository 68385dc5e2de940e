import type { ExpectedRange, GeneratedStore } from './query-store.ts';

export interface Case {
  readonly name: string;
  /** Below `/api/v1/`. */
  readonly path: string;
  readonly query: Record<string, string>;
  /** What the answer must add up to, ns; checked, because a fast wrong answer is worth nothing. */
  readonly total: number;
  /** Warm, milliseconds. */
  readonly target: number;
  /** The same grouping in the engine alone: ids only, no names, no tree. */
  readonly floor?: { readonly range: ExpectedRange; readonly service: boolean };
}

/** As many nodes as an answer may have, so that nothing is folded. */
const ALL_NODES = '2000000';
const SERVICE_MS = 300;
const FLEET_MS = 1000;

/** Graphs of a service have every node; of the fleet as many as the page asks for, and once every one. */
export function casesOf(
  { ranges, service, function: named }: GeneratedStore,
  uneven: readonly ExpectedRange[],
): Case[] {
  const [minutes, hour, before, day] = ranges as [ExpectedRange, ExpectedRange, ExpectedRange, ExpectedRange];
  const [unevenHour, unevenDay] = uneven as [ExpectedRange, ExpectedRange];
  const selector = `cpu{service="${service}"}`;
  const at = (range: ExpectedRange) => ({ from: String(range.from), until: String(range.until) });
  const graph = (range: ExpectedRange, of: 'service' | 'fleet', every = of === 'service'): Case => ({
    name: `flame graph, ${of}, ${range.name}${of === 'fleet' && every ? ', every node' : ''}`,
    path: 'flamegraph',
    query: { query: of === 'service' ? selector : 'cpu', ...at(range), ...(every ? { maxNodes: ALL_NODES } : {}) },
    total: range[of],
    target: of === 'service' ? SERVICE_MS : FLEET_MS,
    floor: { range, service: of === 'service' },
  });
  return [
    graph(minutes, 'service'),
    graph(hour, 'service'),
    graph(day, 'service'),
    graph(minutes, 'fleet'),
    graph(hour, 'fleet'),
    graph(day, 'fleet'),
    graph(day, 'fleet', true),
    graph(unevenHour, 'service'),
    graph(unevenDay, 'fleet'),
    {
      name: 'top, service, 24 h',
      path: 'top',
      query: { query: selector, ...at(day) },
      total: day.service,
      target: SERVICE_MS,
    },
    { name: 'top, fleet, 24 h', path: 'top', query: { query: 'cpu', ...at(day) }, total: day.fleet, target: FLEET_MS },
    {
      name: 'series of one function, service, 24 h',
      path: 'series',
      query: { query: selector, ...at(day), function: named.name },
      total: named.total,
      target: SERVICE_MS,
    },
    {
      name: 'series by service, 24 h',
      path: 'series',
      query: { query: 'cpu', ...at(day), by: 'service' },
      total: day.fleet,
      target: FLEET_MS,
    },
    {
      name: 'diff of two hours, service',
      path: 'diff',
      query: { query: selector, ...at(hour), baseFrom: String(before.from), baseUntil: String(before.until) },
      total: hour.service + before.service,
      target: SERVICE_MS,
    },
  ];
}

/** What an answer adds up to: of a function's two lines the one of its total. */
export function sumOf(body: Buffer): { readonly sum: number; readonly nodes: number } {
  const answer = JSON.parse(body.toString('utf8')) as {
    total?: number;
    baseTotal?: number;
    graph?: { total: number[] };
    series?: { labels: Record<string, string>; values: number[] }[];
  };
  const lines = answer.series?.filter(({ labels }) => labels['value'] !== 'self');
  return {
    sum: lines
      ? lines.reduce((all, { values }) => all + values.reduce((a, b) => a + b, 0), 0)
      : (answer.graph?.total[0] ?? answer.total ?? 0) + (answer.baseTotal ?? 0),
    nodes: answer.graph?.total.length ?? 0,
  };
}
