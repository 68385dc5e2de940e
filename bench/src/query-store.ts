import { RowBinaryBlock, TABLES, type Store } from '@perfleet/clickhouse';
import { PERIOD, type Fleet } from '@perfleet/simulate';
import { seriesOf, termOf, writeSeries, writeStacks } from './store-rows.ts';

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
  await writeSeries(store, fleet, fleet.pods, until);
  const known = new Set<bigint>();
  for (const { name, graph } of fleet.services) await writeStacks(store, graph, termOf(until), known, name);

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
        const { id, workload } = series[pod.index]!;
        block.dateTime(time).u64(workload).u64(id).u64(pod.service.graph.stackIds[stacks[i]!]!);
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

/** Resolves when the engine merges nothing any more. */
export async function untilMerged(store: Store): Promise<void> {
  for (let quiet = 0; quiet < 4;) {
    const [row] = await store.query<{ n: string }>('SELECT count() AS n FROM system.merges');
    quiet = row?.n === '0' ? quiet + 1 : 0;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
