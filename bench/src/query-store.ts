import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { u64, type Store } from '@perfleet/clickhouse';
import { Fleet, PERIOD, type FleetOptions, type Service } from '@perfleet/simulate';
import { SqlFleet } from './fleet-sql.ts';
import { fitRecurrence, type CurvePoint } from './storage-model.ts';
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

/** What a store holds; plain data, so that it can be kept beside it. */
export interface GeneratedStore {
  readonly fleet: FleetOptions;
  readonly rows: number;
  readonly windowSeconds: number;
  readonly service: string;
  /** A function of the service, and its total over the day. */
  readonly function: { readonly name: string; readonly total: number };
  readonly ranges: readonly ExpectedRange[];
}

const DAY = 86_400;
/** Of a collector. */
const WINDOW = 5;
/** Rows that the engine makes at a time, and writes as one part: what it holds of them stays within two GB. */
const CHUNK_ROWS = 8_000_000;
/** As docs/sizing.md has them: a quarter of a core at 19 Hz, 20 pods a node, 100 pods a service. */
const SAMPLES_PER_WINDOW = 24;
const PODS_PER_NODE = 20;
const PODS_PER_SERVICE = 100;
const SERVICES = 5;

/**
 * The fleet whose day has about `rows` rows: its stacks recur as the committed recording's do, so what grows with the rows is pods.
 * Never fewer than ten pods a service; then they have fewer windows.
 */
export function fleetOf(rows: number, root: string, quick: boolean): FleetOptions {
  const { programs } = JSON.parse(readFileSync(join(root, 'bench/calibration/stacks.json'), 'utf8')) as {
    programs: ReadonlyArray<{ readonly curve: readonly CurvePoint[] }>;
  };
  const { stacks, exponent } = fitRecurrence(programs[0]!.curve);
  const pods = Math.max(SERVICES * 10, Math.round((rows * WINDOW) / DAY / SAMPLES_PER_WINDOW));
  return {
    seed: 1,
    nodes: Math.ceil(pods / PODS_PER_NODE),
    pods,
    services: Math.max(SERVICES, Math.round(pods / PODS_PER_SERVICE)),
    stacksPerService: quick ? 400 : stacks,
    samplesPerWindow: SAMPLES_PER_WINDOW,
    exponent,
  };
}

/**
 * A day of a fleet with about `rows` sample rows, which ends now. A pod has one window every `windowSeconds` at a phase of its own, so
 * the rows of a range follow its length whatever their number.
 */
export async function generateStore(
  store: Store,
  options: FleetOptions,
  rows: number,
  progress: (line: string) => void,
): Promise<GeneratedStore> {
  const fleet = new Fleet(options);
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
    return {
      name,
      from: first,
      until: last,
      fleet: (await made.expected(windows, first, last)) * PERIOD,
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
  return {
    fleet: options,
    rows: Number(written!.n),
    windowSeconds,
    service: fleet.services[0]!.name,
    function: await functionOf(store, fleet.services[0]!),
    ranges,
  };
}

/**
 * An hour and nearly a day that begin and end within ten minutes, as `now-1h` does: edges are read from raw rows. Their sums are those of
 * the raw rows, none of a roll-up.
 */
export async function unevenRanges(store: Store, { ranges, service }: GeneratedStore): Promise<ExpectedRange[]> {
  const { until } = ranges[0]!;
  const range = async (name: string, from: number, to: number): Promise<ExpectedRange> => {
    const [row] = await store.query<{ fleet: string; service: string }>(
      `SELECT sum(value) AS fleet, sumIf(value, workload IN (SELECT workload FROM workloads WHERE service = {service:String})) AS service
       FROM samples WHERE time >= toDateTime({from:UInt32}, 'UTC') AND time < toDateTime({to:UInt32}, 'UTC')`,
      { service, from, to },
    );
    return { name, from, until: to, fleet: Number(row!.fleet), service: Number(row!.service) };
  };
  return [
    await range('1 h from the middle of ten minutes', until - 3900, until - 300),
    await range('24 h less ten minutes, from the middle of ten', until - DAY + 300, until - 300),
  ];
}

function rowsPerWindow(fleet: Fleet): number {
  let rows = 0;
  for (let window = 0; window < 20; window++)
    for (const pod of fleet.pods.slice(0, 50)) rows += fleet.window(pod, window).length;
  return rows / 20 / Math.min(50, fleet.pods.length);
}

/** A function in the middle of the most frequent stack, and its total over all rows by the stacks that the graph has it in. */
async function functionOf(store: Store, { name: service, graph }: Service): Promise<GeneratedStore['function']> {
  const { offsets, frames, sites, stackIds } = graph;
  const pathOf = (stack: number) => frames.subarray(offsets[stack], offsets[stack + 1]);
  const hottest = pathOf(0);
  const { function: name } = sites[hottest[hottest.length >> 1]!]!;
  const holding = new Set<bigint>();
  stackIds.forEach((id, i) => pathOf(i).some((site) => sites[site]!.function === name) && holding.add(id));
  const sums = await store.native(
    `SELECT stack, sum(value) AS value FROM samples
     WHERE workload IN (SELECT workload FROM workloads WHERE service = {service:String}) GROUP BY stack`,
    { service },
  );
  const values = u64(sums, 'value');
  let total = 0;
  u64(sums, 'stack').forEach((id, i) => (total += holding.has(id) ? Number(values[i]!) : 0));
  return { name, total };
}

/** Resolves when the engine merges nothing any more. */
export async function untilMerged(store: Store): Promise<void> {
  for (let quiet = 0; quiet < 4;) {
    const [row] = await store.query<{ n: string }>('SELECT count() AS n FROM system.merges');
    quiet = row?.n === '0' ? quiet + 1 : 0;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
