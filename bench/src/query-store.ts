import type { Store } from '@perfleet/clickhouse';
import { PERIOD, type Fleet } from '@perfleet/simulate';
import { SqlFleet } from './fleet-sql.ts';
import { termOf, writeSeries, writeStacks } from './store-rows.ts';

/** A time range of the data and what it must add up to, in nanoseconds of CPU. */
export interface ExpectedRange {
  readonly name: string;
  /** Unix seconds, `until` not included. */
  readonly from: number;
  readonly until: number;
  readonly fleet: number;
  readonly service: number;
}

export interface GeneratedStore {
  readonly fleet: Fleet;
  readonly rows: number;
  readonly windowSeconds: number;
  readonly service: string;
  readonly ranges: readonly ExpectedRange[];
}

const DAY = 86_400;
/** Rows that the engine makes at a time: what it holds of them stays within some hundred MB. */
const CHUNK_ROWS = 2_000_000;

/**
 * A day of a fleet with about `rows` sample rows. A pod has one window every `windowSeconds` at a phase of its own, so the rows of a
 * range follow its length whatever their number.
 */
export async function generateStore(
  store: Store,
  fleet: Fleet,
  rows: number,
  progress: (line: string) => void,
): Promise<GeneratedStore> {
  const until = Math.floor(Date.now() / 1000 / 600) * 600;
  const from = until - DAY;
  const windowRows = fleet.pods.length * rowsPerWindow(fleet);
  const windows = Math.max(1, Math.round(rows / windowRows));
  const windowSeconds = DAY / windows;
  await writeSeries(store, fleet, fleet.pods, until);
  const known = new Set<bigint>();
  for (const { name, graph } of fleet.services) await writeStacks(store, graph, termOf(until), known, name);

  // A phase is less than a whole window by more than rounding: the last one begins before the day is over.
  const offset = ({ index }: { index: number }) => ((index * 0.6180339887) % 1) * windowSeconds * 0.999_999;
  const made = await SqlFleet.create(store, fleet, { start: from, step: windowSeconds, offset });
  const atOnce = Math.max(1, Math.floor(CHUNK_ROWS / windowRows));
  for (let window = 0; window < windows; window += atOnce) {
    await made.write(window, Math.min(windows, window + atOnce));
    progress(`window ${Math.min(windows, window + atOnce)} of ${windows} written`);
  }
  const range = async (name: string, seconds: number, end = until): Promise<ExpectedRange> => {
    const [first, last] = [end - seconds, end];
    const fleetWide = (await made.expected(windows, first, last)) * PERIOD;
    return {
      name,
      from: first,
      until: last,
      fleet: fleetWide,
      service: (await made.expected(windows, first, last, 0)) * PERIOD,
    };
  };
  const ranges = [
    await range('5 min', 300),
    await range('1 h', 3600),
    await range('hour before', 3600, until - 3600),
    await range('24 h', DAY),
  ];
  await made.close();
  const [written] = await store.query<{ n: string }>('SELECT count() AS n FROM samples');
  return { fleet, rows: Number(written!.n), windowSeconds, service: fleet.services[0]!.name, ranges };
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
