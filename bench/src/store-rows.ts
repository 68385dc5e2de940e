import { RowBinaryBlock, TABLES, type Store } from '@perfleet/clickhouse';
import { seriesId } from '@perfleet/ids';
import { PERIOD, type CallGraph, type Fleet, type Pod } from '@perfleet/simulate';

const DAY = 86_400;

/** First day (since 1970) of the term in which the aggregator would say that stacks are seen. */
export const termOf = (seconds: number) => Math.floor(seconds / DAY / 30) * 30;

export interface SeriesIds {
  readonly id: bigint;
  readonly workload: bigint;
}

/** @param generation of the pod: one that was replaced has another name */
export function seriesOf(fleet: Fleet, pod: Pod, generation = 0): SeriesIds {
  const shared = [['service', pod.service.name] as const, ['type', 'cpu'] as const];
  const instance = [['node', fleet.nodeName(pod.node)] as const, ['pod', podName(pod, generation)] as const];
  return { id: seriesId([...shared, ...instance]), workload: seriesId(shared) };
}

const podName = (pod: Pod, generation: number) => (generation === 0 ? pod.name : `${pod.name}-${generation}`);
/** Random as ids of pods and containers are: they do not compress. */
const renewed = (id: string, generation: number) =>
  generation === 0
    ? id
    : [...id]
        .map((c, i) => (c === '-' ? c : ((parseInt(c, 16) * 7 + generation * (i + 3)) % 16).toString(16)))
        .join('');

/** Series as the aggregator would have left them. @param seen Unix seconds */
export async function writeSeries(
  store: Store,
  fleet: Fleet,
  pods: readonly Pod[],
  seen: number,
  generation = 0,
): Promise<void> {
  const rows = new RowBinaryBlock();
  for (const pod of pods) {
    const { name, namespace } = pod.service;
    const { id, workload } = seriesOf(fleet, pod, generation);
    rows.u64(id).u64(workload).str('simulated').str(fleet.nodeName(pod.node)).str(namespace);
    rows
      .str(podName(pod, generation))
      .str(renewed(pod.uid, generation))
      .str(name)
      .str(renewed(pod.containerId, generation));
    rows.str(name).str(name).str('cpu').str('nanoseconds').u64(BigInt(PERIOD));
    rows
      .map([], () => undefined)
      .dateTime(seen)
      .row();
  }
  await store.insert('series', TABLES.series, rows, `bench-series-${seen}-${generation}-${pods[0]?.index}`);
}

/**
 * Stacks of a service with their frames and symbols, as aggregator and symbolizer would have left them.
 * @param known frames that were written before
 * @param chosen stacks of the graph; all without
 */
export async function writeStacks(
  store: Store,
  graph: CallGraph,
  term: number,
  known: Set<bigint>,
  token: string,
  chosen?: readonly number[],
): Promise<void> {
  const [stacks, frames, symbols] = [new RowBinaryBlock(), new RowBinaryBlock(), new RowBinaryBlock()];
  for (const i of chosen ?? graph.stackIds.keys()) {
    const path = graph.frames.subarray(graph.offsets[i], graph.offsets[i + 1]);
    stacks
      .u64(graph.stackIds[i]!)
      .array(path, (w, site) => w.u64(graph.frameIds[site]!))
      .u16(term)
      .row();
    for (const at of path) {
      const id = graph.frameIds[at]!;
      if (known.has(id)) continue;
      known.add(id);
      writeFrame(graph, at, term, frames, symbols);
    }
  }
  await store.insert('stacks', TABLES.stacks, stacks, `bench-stacks-${token}`);
  await store.insert('frames', TABLES.frames, frames, `bench-frames-${token}`);
  await store.insert('symbols', TABLES.symbols, symbols, `bench-symbols-${token}`);
}

function writeFrame(
  { sites, frameIds }: CallGraph,
  at: number,
  term: number,
  frames: RowBinaryBlock,
  symbols: RowBinaryBlock,
) {
  const site = sites[at]!;
  const id = frameIds[at]!;
  if (site.binary === null) {
    frames.u64(id).str('kernel').str('').u64(0n).str(site.function).str('').u32(0).str('').u16(term).row();
    return;
  }
  frames.u64(id).str('native').str(`gnu:${site.binary.gnuBuildId}`).u64(site.address);
  frames.str('').str('').u32(0).str(site.binary.path).u16(term).row();
  symbols.u64(id).u8(3);
  symbols.array([site.function], (w, f) => w.str(f)).array([site.file], (w, f) => w.str(f));
  symbols
    .array([Number(site.address & 0xfffn)], (w, line) => w.u32(line))
    .str('')
    .row();
}
