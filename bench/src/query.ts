import { request } from 'node:http';
import { join } from 'node:path';
import { createApi } from '@perfleet/api';
import { openStore, type Store } from '@perfleet/clickhouse';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { KeptStore } from './kept-store.ts';
import { measure, median, parseCount, peakMb } from './measure.ts';
import { casesOf, sumOf, type Case } from './query-cases.ts';
import { ReadingStore, type Reading } from './query-reading.ts';
import { fleetOf, generateStore, unevenRanges, untilMerged, type ExpectedRange } from './query-store.ts';
import { ratio, type Benchmark, type Cell, type Ratio } from './report.ts';

const MOST_ROWS = 2_000_000_000;

export const query: Benchmark = {
  name: 'query',
  description:
    'latency and CPU of flame graph, top, diff and series through the HTTP API to the last byte, against the same grouping in the engine alone',
  options: [
    { flags: '--rows <n>', description: 'sample rows of the store, e.g. 1G (100M)' },
    {
      flags: '--store <dir>',
      description: 'where the store is made, unless it is there already, and stays; without, it is removed at the end',
    },
  ],

  async run({ quick, options, directory, root, progress }) {
    const wanted = parseCount('--rows', options['rows'], quick ? 50_000 : 100_000_000, MOST_ROWS);
    const kept = new KeptStore(options['store'] ?? directory);
    const known = kept.read();
    if (known && options['rows'] !== undefined)
      throw new Error(`${options['store']} holds ${known.rows} rows: leave out --rows, or name another directory`);
    const store = await openStore({ kind: 'embedded', path: kept.data });
    const nodeState = await openSqliteNodeState({ path: join(directory, 'nodes.db') });
    try {
      const data = known ?? (await generateStore(store, fleetOf(wanted, root, quick), wanted, progress));
      if (!known) kept.write(data);
      progress('waiting for merges');
      await untilMerged(store);
      const reading = new ReadingStore(store);
      const measured: Measurement[] = [];
      const ratios: Ratio[] = [];
      for (const each of casesOf(data, await unevenRanges(store, data))) {
        progress(each.name);
        const of = await measureCase(reading, nodeState, each, quick ? [1, 1] : [3, 7]);
        measured.push(of);
        if (each.floor) {
          const { range, service } = each.floor;
          const floor: number[] = [];
          for (let i = 0; i < (quick ? 1 : 3); i++)
            floor.push(await groupOnly(store, range, service ? data.service : ''));
          const what = `${each.name}, warm, ms`;
          ratios.push(ratio(what, of.warm.ms, 'GROUP BY stack in the engine, ms', median(floor), 'lower'));
        }
      }
      return {
        parameters: {
          rows: data.rows,
          pods: data.fleet.pods,
          services: data.fleet.services,
          stacks: data.fleet.services * data.fleet.stacksPerService,
          'window s': data.windowSeconds,
        },
        ratios,
        tables: [
          {
            title: 'Through the API to the last byte (medians)',
            columns: [
              ...['query', 'cold ms', 'warm ms', 'target ms', 'cold CPU s', 'warm CPU s', 'statements', 'rows read'],
              ...['% of all rows', 'MB read', 'answer MB', 'nodes'],
            ],
            rows: measured.map(({ of, cold, warm, read }): Cell[] => [
              ...[of.name, cold.ms, warm.ms, of.target, cold.cpu, warm.cpu, read.statements, read.rows],
              ...[(100 * read.rows) / data.rows, read.bytes / 1e6, warm.answer / 1e6, warm.nodes],
            ]),
          },
          {
            title: 'Store',
            columns: ['table', 'rows', 'bytes a sample row', 'partitions', 'parts'],
            rows: (await tablesOnDisk(store)).map(({ table, rows, bytes, partitions, parts }) => [
              ...[table, rows, bytes / data.rows, partitions, parts],
            ]),
          },
        ],
        notes: [
          'Cold: a fresh API (no names cached) and the engine’s mark caches dropped; files stay in the page cache of the kernel.',
          'CPU is of the whole process: API, engine and the client that reads the answer. Rows and MB read are the engine’s own account of the statements of one warm query. Graphs of a service have every node.',
          `Every answer’s total was checked against the generator’s. Peak memory of the process ${Math.round(peakMb())} MB${known ? '' : ', generation included'}.`,
        ],
      };
    } finally {
      await nodeState.close();
      await store.close();
    }
  },
};

interface Run {
  readonly ms: number;
  readonly cpu: number;
  /** Bytes of the answer. */
  readonly answer: number;
  readonly nodes: number;
}

interface Measurement {
  readonly of: Case;
  /** Medians. */
  readonly cold: Run;
  readonly warm: Run;
  readonly read: Reading;
}

async function measureCase(
  reading: ReadingStore,
  nodeState: NodeStateStore,
  of: Case,
  [coldRuns, warmRuns]: readonly [number, number],
): Promise<Measurement> {
  const { store } = reading;
  const api = async () => {
    const started = createApi({ store, nodeState, port: 0, logger: createLogger('bench', { level: 'error' }) });
    return { ...(await started.start()), stop: () => started.stop() };
  };
  const cold: Run[] = [];
  for (let i = 0; i < coldRuns; i++) {
    await store.command('SYSTEM DROP MARK CACHE');
    await store.command('SYSTEM DROP UNCOMPRESSED CACHE');
    const fresh = await api();
    cold.push(await ask(fresh.url, of));
    await fresh.stop();
  }
  const server = await api();
  await ask(server.url, of);
  const warm: Run[] = [];
  for (let i = 0; i < warmRuns; i++) warm.push(await ask(server.url, of));
  const read = await reading.reading(() => ask(server.url, of));
  await server.stop();
  return { of, cold: medians(cold), warm: medians(warm), read };
}

function medians(runs: readonly Run[]): Run {
  return { ...runs[0]!, ms: median(runs.map(({ ms }) => ms)), cpu: median(runs.map(({ cpu }) => cpu)) };
}

/** What has come of an answer, in pieces. */
async function get(url: string): Promise<{ status: number; pieces: Buffer[] }> {
  return new Promise((resolve, reject) => {
    request(url, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, pieces }));
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

/**
 * One request to the last byte. Putting the pieces of the answer together, parsing it and checking its total are not measured. The
 * client, in the thread of the API, does as little as one can: `fetch` took a tenth of a second for 48 MB.
 */
async function ask(url: string, { name, path, query: parameters, total }: Case): Promise<Run> {
  const { value, seconds, cpu } = await measure(() => get(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`));
  const body = Buffer.concat(value.pieces);
  if (value.status !== 200) throw new Error(`${name}: ${value.status} ${body.toString('utf8').slice(0, 500)}`);
  const { sum, nodes } = sumOf(body);
  // Above 2^53 ns (104 days of CPU), numbers of JSON are rounded, and so are sums of them.
  const rounding = total > Number.MAX_SAFE_INTEGER ? total * 1e-9 : 0;
  if (Math.abs(sum - total) > rounding)
    throw new Error(`${name}: the answer adds up to ${sum} ns, the data to ${total} ns`);
  return { ms: seconds * 1000, cpu, answer: body.byteLength, nodes };
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

async function tablesOnDisk(store: Store) {
  const rows = await store.query<Record<'table' | 'rows' | 'bytes' | 'partitions' | 'parts', string>>(
    `SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, uniqExact(partition) AS partitions, count() AS parts FROM system.parts
     WHERE active AND table IN ('samples', 'samples_10m', 'samples_1d', 'stacks', 'frames', 'symbols', 'series', 'workloads') GROUP BY table ORDER BY sum(bytes_on_disk) DESC`,
  );
  return rows.map(({ table, rows: count, bytes, partitions, parts }) => {
    return { table, rows: +count, bytes: +bytes, partitions: +partitions, parts: +parts };
  });
}
