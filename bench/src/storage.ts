import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, u64, type Store } from '@perfleet/clickhouse';
import { Fleet, redeploy, type CallGraph, type Pod } from '@perfleet/simulate';
import { SqlFleet } from './fleet-sql.ts';
import { parseCount } from './measure.ts';
import type { Benchmark, Cell } from './report.ts';
import { compareLayouts } from './storage-layouts.ts';
import {
  expectedDistinct,
  fitRecurrence,
  monthOf,
  type CurvePoint,
  type FleetModel,
  type RowBytes,
} from './storage-model.ts';
import { termOf, writeSeries, writeStacks } from './store-rows.ts';

/** bench/calibration/stacks.json: taken from a recording of this profiler, as its `how` says. */
export interface Calibration {
  readonly how: string;
  /** The slice's services are like the first. */
  readonly programs: ReadonlyArray<{
    readonly program: string;
    readonly steady: boolean;
    readonly curve: readonly CurvePoint[];
  }>;
}

const STORED = ['samples', 'samples_10m', 'samples_1d', 'stacks', 'frames', 'symbols', 'series', 'workloads'] as const;
const WINDOW = 5;
/** Of 1,000 nodes with 20 pods: 200 services of 100 pods, each pod busy for a quarter of a core at 19 Hz; a deployment a day. */
const MONTH = { nodes: 1000, podsPerNode: 20, services: 200, deploymentsPerDay: 1 };
const PODS_PER_SERVICE = (MONTH.nodes * MONTH.podsPerNode) / MONTH.services;

/**
 * A slice of a fleet: some of its services with all their pods, so that a workload's rows are as dense as in the whole. The
 * first bucket is written in blocks of one window. Half way one service is deployed again.
 */
export const storage: Benchmark = {
  name: 'storage',
  description:
    'bytes a sample row, all tables included, as inserted and merged, on stacks that recur as recorded ones do',
  options: [
    {
      flags: '--rows <n>',
      description:
        'sample rows at least, in whole buckets of twenty minutes (27M: four hours, in which roll-ups of ten minutes share their stacks)',
    },
  ],

  async run({ quick, options, directory, root, progress }) {
    const wanted = parseCount('--rows', options['rows'], quick ? 4_000 : 26_000_000, 200_000_000);
    const calibration = JSON.parse(readFileSync(join(root, 'bench/calibration/stacks.json'), 'utf8')) as Calibration;
    const programs = calibration.programs.map((each) => ({ ...each, recurrence: fitRecurrence(each.curve) }));
    const { recurrence } = programs[0]!;
    const services = quick ? 2 : 4;
    const fleet = new Fleet({
      seed: 1,
      nodes: MONTH.nodes,
      pods: services * (quick ? 5 : PODS_PER_SERVICE),
      services,
      stacksPerService: quick ? 2000 : recurrence.stacks,
      exponent: recurrence.exponent,
      samplesPerWindow: 24,
    });
    const store = await openStore({ kind: 'embedded', path: join(directory, 'clickhouse') });
    try {
      for (const table of STORED) await store.command(`SYSTEM STOP MERGES ${table}`);
      const written = await writeSlice(store, fleet, wanted, quick ? 12 : 240, progress);
      for (const table of STORED) {
        progress(`merging ${table}`);
        await store.command(`OPTIMIZE TABLE ${table} FINAL`);
      }
      const merged = await tableBytes(store);
      const of = (table: string) => merged.find((each) => each.table === table)!;
      const bytes = Object.fromEntries(
        merged.map((each) => [each.table, each.bytes / Math.max(1, each.rows)]),
      ) as unknown as RowBytes;
      const model: FleetModel = {
        ...MONTH,
        samplesPerPod: written.samples / written.seconds / fleet.pods.length,
        rowsPerSample: written.rows / written.samples,
        recurrence,
      };
      const framesPerStack = of('frames').rows / of('stacks').rows;
      const layouts = await compareLayouts(store, written.service, quick, progress);
      const total = (parts: readonly { bytes: number }[]) => parts.reduce((sum, part) => sum + part.bytes, 0);
      const scenarios: ReadonlyArray<readonly [string, FleetModel]> = [
        ...programs.map(
          (each) => [`services like: ${each.program}`, { ...model, recurrence: each.recurrence }] as const,
        ),
        ['the first, ten deployments a day', { ...model, deploymentsPerDay: 10 }],
        ['the first, a deployment a week', { ...model, deploymentsPerDay: 1 / 7 }],
        ['the first, 100 nodes, as many services', { ...model, nodes: 100 }],
      ];
      return {
        parameters: {
          rows: written.rows,
          pods: fleet.pods.length,
          services,
          'stacks of a service': fleet.options.stacksPerService,
          exponent: recurrence.exponent,
          minutes: written.seconds / 60,
          'rows a sample': model.rowsPerSample,
        },
        ratios: [],
        tables: [
          {
            title: 'The slice, bytes a sample row',
            columns: ['table', 'rows a sample row, merged', 'as inserted', 'merged', 'bytes of its own row, merged'],
            rows: [
              ...merged.map(({ table, rows, bytes: size }): Cell[] => [
                table,
                rows / written.rows,
                (written.inserted.find((each) => each.table === table)?.bytes ?? 0) / written.insertedRows,
                size / written.rows,
                size / Math.max(1, rows),
              ]),
              ['all', '', total(written.inserted) / written.insertedRows, total(merged) / written.rows, ''],
            ],
          },
          {
            title: 'A month of 1,000 nodes, extrapolated: bytes a sample row, merged',
            columns: [
              'fleet',
              'sample rows, billions',
              ...monthOf(model, bytes, framesPerStack).map(({ table }) => table),
              'all',
            ],
            rows: scenarios.map(([name, fleetOf]): Cell[] => {
              const parts = monthOf(fleetOf, bytes, framesPerStack);
              const rows = parts[0]!.rows;
              return [name, rows / 1e9, ...parts.map((part) => part.bytes / rows), total(parts) / rows];
            }),
          },
          {
            title: 'Distinct stacks: recorded, and of the fitted recurrence',
            columns: ['program', 'samples', 'recorded', 'fitted', 'stacks of the fit', 'exponent'],
            rows: programs.flatMap(({ program, curve, recurrence: of }) =>
              curve.map(({ samples, distinct }): Cell[] => {
                return [program, samples, distinct, Math.round(expectedDistinct(of, samples)), of.stacks, of.exponent];
              }),
            ),
          },
          layouts,
        ],
        notes: [
          `Calibration: ${calibration.how}`,
          'As inserted: merges stopped, one block for each window of the slice, so each part is far smaller than one of a whole fleet; parts of the last minutes are like that, all older ones are merged. Stacks, frames and symbols as if one insert had brought them.',
          'Extrapolated: distinct stacks of a day and a month follow from the fitted recurrence, which was seen over thousands of samples and is used for millions; services are alike, each deployment makes all stacks of a service new and replaces its pods; names (symbols) are left out of the month: one row for each native frame.',
        ],
      };
    } finally {
      await store.close();
    }
  },
};

interface Written {
  readonly rows: number;
  readonly samples: number;
  readonly seconds: number;
  readonly service: string;
  /** Bytes by table and rows of samples while a bucket had not been merged. */
  readonly inserted: readonly TableBytes[];
  readonly insertedRows: number;
}

async function writeSlice(
  store: Store,
  fleet: Fleet,
  wanted: number,
  bucketWindows: number,
  progress: (line: string) => void,
): Promise<Written> {
  const start = Math.floor(Date.now() / 1000 / 86_400) * 86_400 - 86_400;
  const term = termOf(start);
  const known = new Set<bigint>();
  const deployed = fleet.services[0]!;
  const next = redeploy(deployed.graph, deployed.name, 1);
  const clock = { start, step: WINDOW, offset: (pod: Pod) => pod.node % WINDOW };
  const generation = (pod: Pod) => (pod.service === deployed ? 1 : 0);
  const stacksAfter = (service: number) => (service === 0 ? next : fleet.services[service]!.graph).stackIds;
  const [before, after] = [
    await SqlFleet.create(store, fleet, clock),
    await SqlFleet.create(store, fleet, clock, stacksAfter, generation),
  ];
  await writeSeries(store, fleet, fleet.pods, start);
  // Blocks of one window: what has not been merged.
  for (let window = 0; window < bucketWindows; window++) await before.write(window, window + 1, true);
  await writeSeen(store, fleet.services, known, term);
  const inserted = await tableBytes(store);
  const insertedRows = await countOf(store, 'samples');
  for (const table of STORED) await store.command(`SYSTEM START MERGES ${table}`);

  const bucketRows = insertedRows;
  const windows = bucketWindows * Math.max(2, Math.ceil(wanted / bucketRows));
  const half = bucketWindows * Math.ceil(windows / bucketWindows / 2);
  for (let window = bucketWindows; window < windows; window += bucketWindows) {
    if (window === half) await writeSeries(store, fleet, podsOf(fleet, deployed.name), start + window * WINDOW, 1);
    await (window < half ? before : after).write(window, window + bucketWindows);
    progress(`${window + bucketWindows} of ${windows} windows written`);
  }
  await writeSeen(store, [...fleet.services, { name: `${deployed.name}-next`, graph: next }], known, term);
  const samples = await before.expected(windows, start, start + windows * WINDOW + WINDOW);
  await Promise.all([before, after].map((each) => each.close()));
  const rows = await countOf(store, 'samples');
  return { rows, samples, seconds: windows * WINDOW, service: deployed.name, inserted, insertedRows };
}

/** Stacks that samples refer to, with their frames, as the aggregator writes them when it sees them first. */
async function writeSeen(
  store: Store,
  services: ReadonlyArray<{ readonly name: string; readonly graph: CallGraph }>,
  known: Set<bigint>,
  term: number,
): Promise<void> {
  const seen = await store.native('SELECT DISTINCT stack FROM samples WHERE stack NOT IN (SELECT stack FROM stacks)');
  const ids = new Set(u64(seen, 'stack'));
  for (const { name, graph } of services) {
    const chosen = [...graph.stackIds.keys()].filter((i) => ids.has(graph.stackIds[i]!));
    if (chosen.length > 0) await writeStacks(store, graph, term, known, `${name}-${chosen.length}`, chosen);
  }
}

const podsOf = (fleet: Fleet, service: string): Pod[] => fleet.pods.filter((pod) => pod.service.name === service);

async function countOf(store: Store, table: string): Promise<number> {
  const [row] = await store.query<{ n: string }>(`SELECT count() AS n FROM ${table}`);
  return Number(row!.n);
}

interface TableBytes {
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
}

async function tableBytes(store: Store): Promise<TableBytes[]> {
  const found = await store.query<{ table: string; rows: string; bytes: string }>(
    `SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts
     WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)} GROUP BY table ORDER BY bytes DESC`,
    { tables: [...STORED] },
  );
  return found.map(({ table, rows, bytes }) => ({ table, rows: Number(rows), bytes: Number(bytes) }));
}
