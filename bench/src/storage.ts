import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, RowBinaryBlock, TABLES, type Store } from '@perfleet/clickhouse';
import { Fleet, PERIOD, redeploy, type CallGraph, type Pod } from '@perfleet/simulate';
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
import { seriesOf, termOf, writeSeries, writeStacks } from './store-rows.ts';

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
 * A slice of a fleet: some of its services with all their pods, so that a workload's rows are as dense as in the whole. One block
 * for each window of the slice, which is its part of a block of the fleet. Half way one service is deployed again.
 */
export const storage: Benchmark = {
  name: 'storage',
  description:
    'bytes a sample row, all tables included, as inserted and merged, on stacks that recur as recorded ones do',
  options: [{ flags: '--rows <n>', description: 'sample rows at least, in whole buckets of ten minutes (4M)' }],

  async run({ quick, options, directory, root, progress }) {
    const wanted = parseCount('--rows', options['rows'], quick ? 4_000 : 4_000_000, 200_000_000);
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
      const written = await writeSlice(store, fleet, wanted, quick ? 12 : 120, progress);
      const inserted = await tableBytes(store);
      for (const table of STORED) await store.command(`SYSTEM START MERGES ${table}`);
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
                inserted.find((each) => each.table === table)!.bytes / written.rows,
                size / written.rows,
                size / Math.max(1, rows),
              ]),
              ['all', '', total(inserted) / written.rows, total(merged) / written.rows, ''],
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
          'As inserted: merges stopped, one block for each window of the slice, so each part is far smaller than one of a whole fleet; parts of the last minutes are like that, all older ones are merged.',
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
  const deployed = fleet.services[0]!;
  const next = redeploy(deployed.graph, deployed.name, 1);
  const known = { stacks: new Set<bigint>(), frames: new Set<bigint>() };
  await writeSeries(store, fleet, fleet.pods, start);
  let [rows, samples, window, generation] = [0, 0, 0, 0];
  const least = 2 * bucketWindows;
  for (; window < least || rows < wanted || window % bucketWindows !== 0; window++) {
    if (generation === 0 && window >= bucketWindows && rows >= wanted / 2) {
      generation = 1;
      await writeSeries(store, fleet, podsOf(fleet, deployed.name), start + window * WINDOW, generation);
    }
    const block = new RowBinaryBlock(1 << 20);
    const fresh = new Map<CallGraph, number[]>();
    for (const pod of fleet.pods) {
      const again = generation === 1 && pod.service === deployed;
      const graph = again ? next : pod.service.graph;
      const { id, workload } = seriesOf(fleet, pod, again ? 1 : 0);
      const time = start + window * WINDOW + (pod.node % WINDOW);
      const { length, stacks, counts } = fleet.window(pod, window);
      for (let i = 0; i < length; i++) {
        const stack = graph.stackIds[stacks[i]!]!;
        if (!known.stacks.has(stack)) {
          known.stacks.add(stack);
          fresh.set(graph, [...(fresh.get(graph) ?? []), stacks[i]!]);
        }
        samples += counts[i]!;
        block
          .dateTime(time)
          .u64(workload)
          .u64(id)
          .u64(stack)
          .u64(BigInt(counts[i]! * PERIOD))
          .row();
      }
    }
    for (const [graph, chosen] of fresh)
      await writeStacks(store, graph, term, known.frames, `${window}-${chosen[0]}-${graph.stackIds[0]}`, chosen);
    await store.insert('samples', TABLES.samples, block, `bench-${window}`);
    rows += block.rows;
    if (window % bucketWindows === 0)
      progress(`${(rows / 1e6).toFixed(2)} M of ${(wanted / 1e6).toFixed(2)} M rows written`);
  }
  return { rows, samples, seconds: window * WINDOW, service: deployed.name };
}

const podsOf = (fleet: Fleet, service: string): Pod[] => fleet.pods.filter((pod) => pod.service.name === service);

async function tableBytes(store: Store): Promise<{ table: string; rows: number; bytes: number }[]> {
  const found = await store.query<{ table: string; rows: string; bytes: string }>(
    `SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts
     WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)} GROUP BY table ORDER BY bytes DESC`,
    { tables: [...STORED] },
  );
  return found.map(({ table, rows, bytes }) => ({ table, rows: Number(rows), bytes: Number(bytes) }));
}
