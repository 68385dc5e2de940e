import { join } from 'node:path';
import { createApi } from '@perfleet/api';
import { openStore, type Store } from '@perfleet/clickhouse';
import { openSqliteNodeState } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { DEFAULT_FLEET, Fleet } from '@perfleet/simulate';
import { measure, median, parseCount, peakMb } from './measure.ts';
import { generateStore, untilMerged, type ExpectedRange } from './query-store.ts';
import { ratio, type Benchmark, type Cell, type Ratio } from './report.ts';

interface Case {
  readonly name: string;
  readonly path: string;
  readonly query: Record<string, string>;
  /** What the answer must add up to, ns; checked, because a fast wrong answer is worth nothing. */
  readonly total: number;
  /** The same grouping in the engine alone: ids only, no names, no tree. */
  readonly floor?: { readonly range: ExpectedRange; readonly service: boolean };
}

/** More nodes than the whole fleet has, so that nothing is folded. */
const ALL_NODES = '2000000';

export const query: Benchmark = {
  name: 'query',
  description:
    'latency and CPU of flame graph, top, diff and series through the HTTP API to the last byte, against the same grouping in the engine alone',
  options: [{ flags: '--rows <n>', description: 'sample rows of the store, e.g. 100M (1M)' }],

  async run({ quick, options, directory, progress }) {
    const wanted = parseCount('--rows', options['rows'], quick ? 50_000 : 1_000_000, 2_000_000_000);
    const [coldRuns, warmRuns] = quick ? [1, 1] : [3, 7];
    const fleet = new Fleet(quick ? { ...DEFAULT_FLEET, pods: 60, services: 6, stacksPerService: 400 } : DEFAULT_FLEET);
    const store = await openStore({ kind: 'embedded', path: join(directory, 'clickhouse') });
    const nodeState = await openSqliteNodeState({ path: join(directory, 'nodes.db') });
    try {
      const data = await generateStore(store, fleet, wanted, progress);
      progress('waiting for merges');
      await untilMerged(store);
      const bytes = await bytesOnDisk(store);
      const api = async () => {
        const started = createApi({ store, nodeState, port: 0, logger: createLogger('bench', { level: 'error' }) });
        return { ...(await started.start()), stop: () => started.stop() };
      };
      const rows: Cell[][] = [];
      const ratios: Ratio[] = [];
      for (const each of casesOf(data.ranges, data.service)) {
        progress(each.name);
        const cold: Run[] = [];
        for (let i = 0; i < coldRuns; i++) {
          await store.command('SYSTEM DROP MARK CACHE');
          await store.command('SYSTEM DROP UNCOMPRESSED CACHE');
          const fresh = await api();
          cold.push(await ask(store, fresh.url, each));
          await fresh.stop();
        }
        const server = await api();
        await ask(store, server.url, each);
        const warm: Run[] = [];
        for (let i = 0; i < warmRuns; i++) warm.push(await ask(store, server.url, each));
        await server.stop();
        const of = (runs: readonly Run[], key: keyof Run) => median(runs.map((run) => run[key]));
        const last = warm[0]!;
        rows.push([
          each.name,
          of(cold, 'ms'),
          of(warm, 'ms'),
          of(cold, 'cpu'),
          of(warm, 'cpu'),
          of(warm, 'rows'),
          of(warm, 'bytes') / 1e6,
          last.answer / 1e6,
          last.nodes,
        ]);
        if (each.floor) {
          const { range, service } = each.floor;
          const floor: number[] = [];
          for (let i = 0; i < warmRuns; i++) floor.push(await groupOnly(store, range, service ? data.service : ''));
          const what = `${each.name}, warm, ms`;
          ratios.push(ratio(what, of(warm, 'ms'), 'GROUP BY stack in the engine, ms', median(floor), 'lower'));
        }
      }
      return {
        parameters: {
          rows: data.rows,
          pods: fleet.pods.length,
          services: fleet.services.length,
          stacks: fleet.services.length * fleet.options.stacksPerService,
          'window s': data.windowSeconds,
        },
        ratios,
        tables: [
          {
            title: 'Through the API to the last byte (medians)',
            columns: [
              'query',
              'cold ms',
              'warm ms',
              'cold CPU s',
              'warm CPU s',
              'rows read',
              'MB read',
              'answer MB',
              'nodes',
            ],
            rows,
          },
          {
            title: 'Store',
            columns: ['table', 'bytes a sample row'],
            rows: bytes.map(([table, size]) => [table, size / data.rows]),
          },
        ],
        notes: [
          'Cold: a fresh API (no names cached) and the engine’s mark caches dropped; files stay in the page cache of the kernel.',
          'CPU is of the whole process: API, engine and the client that reads the answer. Rows and bytes are the median of warm queries.',
          `Every answer’s total was checked against the generator’s. Peak memory of the process ${Math.round(peakMb())} MB, generation included.`,
        ],
      };
    } finally {
      await nodeState.close();
      await store.close();
    }
  },
};

function casesOf(ranges: readonly ExpectedRange[], service: string): Case[] {
  const [minutes, hour, before, day] = ranges as [ExpectedRange, ExpectedRange, ExpectedRange, ExpectedRange];
  const selector = `cpu{service="${service}"}`;
  const at = (range: ExpectedRange) => ({ from: String(range.from), until: String(range.until) });
  const graph = (range: ExpectedRange, of: 'service' | 'fleet', more: Record<string, string> = {}): Case => ({
    name: `flame graph, ${of}, ${range.name}${more['maxNodes'] ? ', every node' : ''}`,
    path: 'flamegraph',
    query: { query: of === 'service' ? selector : 'cpu', ...at(range), ...more },
    total: range[of],
    floor: { range, service: of === 'service' },
  });
  return [
    graph(minutes, 'service'),
    graph(hour, 'service'),
    graph(day, 'service'),
    graph(minutes, 'fleet'),
    graph(hour, 'fleet'),
    graph(day, 'fleet'),
    graph(day, 'fleet', { maxNodes: ALL_NODES }),
    { name: 'top, service, 24 h', path: 'top', query: { query: selector, ...at(day) }, total: day.service },
    { name: 'top, fleet, 24 h', path: 'top', query: { query: 'cpu', ...at(day) }, total: day.fleet },
    {
      name: 'series by service, 24 h',
      path: 'series',
      query: { query: 'cpu', ...at(day), by: 'service', step: '300' },
      total: day.fleet,
    },
    {
      name: 'diff of two hours, service',
      path: 'diff',
      query: {
        query: selector,
        ...at(hour),
        baseFrom: String(before.from),
        baseUntil: String(before.until),
      },
      total: hour.service + before.service,
    },
  ];
}

interface Run {
  readonly ms: number;
  readonly cpu: number;
  readonly rows: number;
  readonly bytes: number;
  /** Bytes of the answer. */
  readonly answer: number;
  readonly nodes: number;
}

/** One request to the last byte. Parsing the answer and checking its total are not measured. */
async function ask(store: Store, url: string, { name, path, query: parameters, total }: Case): Promise<Run> {
  const before = await readSoFar(store);
  const {
    value: body,
    seconds,
    cpu,
  } = await measure(async () => {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    if (!response.ok) throw new Error(`${name}: ${response.status} ${bytes.toString('utf8').slice(0, 500)}`);
    return bytes;
  });
  const after = await readSoFar(store);
  const answer = JSON.parse(body.toString('utf8')) as {
    total?: number;
    baseTotal?: number;
    graph?: { total: number[] };
    series?: { values: number[] }[];
  };
  const sum = answer.series
    ? answer.series.reduce((all, { values }) => all + values.reduce((a, b) => a + b, 0), 0)
    : (answer.graph?.total[0] ?? answer.total ?? 0) + (answer.baseTotal ?? 0);
  if (sum !== total) throw new Error(`${name}: the answer adds up to ${sum} ns, the data to ${total} ns`);
  return {
    ms: seconds * 1000,
    cpu,
    rows: after.rows - before.rows,
    bytes: after.bytes - before.bytes,
    answer: body.byteLength,
    nodes: answer.graph?.total.length ?? 0,
  };
}

/** What all queries of the engine have read: it counts for itself, and nobody else asks it anything here. */
async function readSoFar(store: Store): Promise<{ rows: number; bytes: number }> {
  const events = await store.query<{ event: string; value: string }>(
    "SELECT event, value FROM system.events WHERE event IN ('SelectedRows', 'SelectedBytes')",
  );
  const of = (name: string) => Number(events.find(({ event }) => event === name)?.value ?? 0);
  return { rows: of('SelectedRows'), bytes: of('SelectedBytes') };
}

/** Milliseconds of the grouping alone: what no tree and no name can be faster than. */
async function groupOnly(store: Store, range: ExpectedRange, service: string): Promise<number> {
  const { seconds } = await measure(() =>
    store.native(
      `SELECT stack, sum(value) AS value FROM samples
WHERE time >= toDateTime({from:UInt32}, 'UTC') AND time < toDateTime({until:UInt32}, 'UTC')
${service ? 'AND workload IN (SELECT workload FROM workloads WHERE service = {service:String})' : ''} GROUP BY stack`,
      { from: range.from, until: range.until, service },
    ),
  );
  return seconds * 1000;
}

async function bytesOnDisk(store: Store): Promise<(readonly [string, number])[]> {
  const rows = await store.query<{ table: string; bytes: string }>(
    `SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts
     WHERE active AND table IN ('samples', 'samples_10m', 'samples_1d', 'stacks', 'frames', 'symbols', 'series', 'workloads') GROUP BY table ORDER BY sum(bytes_on_disk) DESC`,
  );
  return rows.map(({ table, bytes }) => [table, Number(bytes)] as const);
}
