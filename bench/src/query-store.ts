import { RowBinaryBlock, TABLES, type Store } from '@perfleet/clickhouse';
import { seriesId } from '@perfleet/ids';
import { Fleet, PERIOD, type Pod } from '@perfleet/simulate';

/** A time range of the data and what it must add up to, in nanoseconds of CPU. */
export interface ExpectedRange {
  readonly name: string;
  /** Unix seconds, `until` not included. */
  readonly from: number;
  readonly until: number;
  fleet: number;
  service: number;
}

export interface GeneratedStore {
  readonly fleet: Fleet;
  readonly rows: number;
  readonly windowSeconds: number;
  readonly service: string;
  readonly ranges: readonly ExpectedRange[];
}

const DAY = 86_400;
const BLOCK = 500_000;

/**
 * A day of a fleet with about `rows` sample rows, written as prepared blocks. A pod has one window every `windowSeconds`
 * at a phase of its own, so the rows of a range follow its length whatever their number.
 */
export async function generateStore(
  store: Store,
  fleet: Fleet,
  rows: number,
  progress: (line: string) => void,
): Promise<GeneratedStore> {
  const until = Math.floor(Date.now() / 1000 / 600) * 600;
  const from = until - DAY;
  const service = fleet.services[0]!.name;
  const range = (name: string, seconds: number, end = until): ExpectedRange => ({
    name,
    from: end - seconds,
    until: end,
    fleet: 0,
    service: 0,
  });
  const ranges = [
    range('5 min', 300),
    range('1 h', 3600),
    range('hour before', 3600, until - 3600),
    range('24 h', DAY),
  ];
  const windows = Math.max(1, Math.round(rows / fleet.pods.length / rowsPerWindow(fleet)));
  const windowSeconds = DAY / windows;
  const series = fleet.pods.map((pod) => seriesOf(fleet, pod));
  await writeNames(store, fleet, series, until);

  let block = new RowBinaryBlock(BLOCK * 28);
  let written = 0;
  const flush = async () => {
    if (block.rows === 0) return;
    await store.insert('samples', TABLES.samples, block, `bench-${written}`);
    written += block.rows;
    block = new RowBinaryBlock(BLOCK * 28);
    if (written % (BLOCK * 4) === 0)
      progress(`${(written / 1e6).toFixed(1)} M of ${(rows / 1e6).toFixed(1)} M rows written`);
  };
  for (let window = 0; window < windows; window++) {
    for (const pod of fleet.pods) {
      const phase = ((pod.index * 0.6180339887) % 1) * windowSeconds;
      const time = Math.min(until - 1, Math.floor(from + window * windowSeconds + phase));
      const { length, stacks, counts } = fleet.window(pod, window);
      let samples = 0;
      for (let i = 0; i < length; i++) {
        samples += counts[i]!;
        block.dateTime(time).u64(series[pod.index]!).u64(pod.service.graph.stackIds[stacks[i]!]!);
        block.u64(BigInt(counts[i]! * PERIOD)).row();
      }
      for (const each of ranges) {
        if (time < each.from || time >= each.until) continue;
        each.fleet += samples * PERIOD;
        if (pod.service.name === service) each.service += samples * PERIOD;
      }
      if (block.rows >= BLOCK) await flush();
    }
  }
  await flush();
  return { fleet, rows: written, windowSeconds, service, ranges };
}

function rowsPerWindow(fleet: Fleet): number {
  let rows = 0;
  for (let window = 0; window < 20; window++)
    for (const pod of fleet.pods.slice(0, 50)) rows += fleet.window(pod, window).length;
  return rows / 20 / Math.min(50, fleet.pods.length);
}

function seriesOf(fleet: Fleet, pod: Pod): bigint {
  return seriesId([
    ['node', fleet.nodeName(pod.node)],
    ['pod', pod.name],
    ['service', pod.service.name],
    ['type', 'cpu'],
  ]);
}

/** Series, stacks, frames and symbols, as aggregator and symbolizer would have left them. */
async function writeNames(store: Store, fleet: Fleet, ids: readonly bigint[], seen: number): Promise<void> {
  const series = new RowBinaryBlock();
  for (const pod of fleet.pods) {
    const { name, namespace } = pod.service;
    series
      .u64(ids[pod.index]!)
      .str('simulated')
      .str(fleet.nodeName(pod.node))
      .str(namespace)
      .str(pod.name)
      .str(pod.uid);
    series.str(name).str(pod.containerId).str(name).str(name).str('cpu').str('nanoseconds').u64(BigInt(PERIOD));
    series
      .map([], () => undefined)
      .dateTime(seen)
      .row();
  }
  await store.insert('series', TABLES.series, series, 'bench-series');
  const known = new Set<bigint>();
  for (const { name, graph } of fleet.services) {
    const [stacks, frames, symbols] = [new RowBinaryBlock(), new RowBinaryBlock(), new RowBinaryBlock()];
    graph.stackIds.forEach((id, i) => {
      const path = graph.frames.subarray(graph.offsets[i], graph.offsets[i + 1]);
      stacks
        .u64(id)
        .array(path, (w, site) => w.u64(graph.frameIds[site]!))
        .row();
    });
    graph.sites.forEach((site, i) => {
      const id = graph.frameIds[i]!;
      if (known.has(id)) return;
      known.add(id);
      if (site.binary === null)
        frames.u64(id).str('kernel').str('').u64(0n).str(site.function).str('').u32(0).str('').row();
      else {
        frames.u64(id).str('native').str(`gnu:${site.binary.gnuBuildId}`).u64(site.address);
        frames.str('').str('').u32(0).str(site.binary.path).row();
        symbols
          .u64(id)
          .u8(3)
          .array([site.function], (w, f) => w.str(f))
          .array([site.file], (w, f) => w.str(f));
        symbols
          .array([Number(site.address & 0xfffn)], (w, line) => w.u32(line))
          .str('')
          .row();
      }
    });
    await store.insert('stacks', TABLES.stacks, stacks, `bench-stacks-${name}`);
    await store.insert('frames', TABLES.frames, frames, `bench-frames-${name}`);
    await store.insert('symbols', TABLES.symbols, symbols, `bench-symbols-${name}`);
  }
}

/** Resolves when the engine merges nothing any more. */
export async function untilMerged(store: Store): Promise<void> {
  for (let quiet = 0; quiet < 4;) {
    const [row] = await store.query<{ n: string }>('SELECT count() AS n FROM system.merges');
    quiet = row?.n === '0' ? quiet + 1 : 0;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
