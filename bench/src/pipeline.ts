import { join } from 'node:path';
import { openStore, type Store } from '@perfleet/clickhouse';
import { TOPIC_SPECS } from '@perfleet/messages';
import { DEFAULT_FLEET, Fleet, nodeMessage } from '@perfleet/simulate';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import { parseCount, peakMb, residentMb } from './measure.ts';
import { insertPrepared } from './pipeline-floor.ts';
import { outgoing, Publisher, TOPIC, WINDOW } from './pipeline-publish.ts';
import { measureStages } from './pipeline-stages.ts';
import { blocksOf, bytesByTable, checkStore, countOf, mergedRows } from './pipeline-store.ts';
import { untilMerged } from './query-store.ts';
import { ratio, type Benchmark, type Cell } from './report.ts';
import { startService, type Service } from './service.ts';
import { slowStore } from './slow-store.ts';

/** Rows a CPU-second of the target: 20 times what Pyroscope and Parca take in (23,000 and 25,000 on the same kind of machine). */
const TWENTY_TIMES_OTHERS = 500_000;
/** How many times as long the store takes where it is to be slow. */
const SLOWER = 10;
/** Name of the engine's threads that merge parts. */
const MERGES = 'MergeMutate';
/** More than an aggregator may hold of all partitions: 16 blocks. */
const BACKLOG_BYTES = 1.5e9;

export const pipeline: Benchmark = {
  name: 'pipeline',
  description:
    'rows per CPU-second from OTLP messages on the stream through the aggregator into the store, against inserting the same rows as prepared blocks; memory before a slow store',
  options: [
    { flags: '--rows <n>', description: 'sample rows to measure (1M); as many go before them' },
    {
      flags: '--slow-seconds <n>',
      description: `how long to run before a store that takes ${SLOWER} times as long (60)`,
    },
  ],

  async run({ quick, options, directory, root, progress }) {
    const wanted = parseCount('--rows', options['rows'], quick ? 20_000 : 1_000_000, 200_000_000);
    const slowSeconds = parseCount('--slow-seconds', options['slowSeconds'], quick ? 2 : 60, 3600);
    const fleetOptions = quick
      ? { ...DEFAULT_FLEET, pods: 60, nodes: 4, services: 6, stacksPerService: 400 }
      : DEFAULT_FLEET;
    const engine = await startService(root, ['clickhouse', '--data', join(directory, 'engine'), '--http-port', '0']);
    const url = /http:\S+/.exec(engine.line)![0];
    const store = await openStore({ kind: 'server', url });
    const stream = await openEmbeddedStream({ path: join(directory, 'stream.db') });
    const aggregate = (clickhouse: string) =>
      startService(root, ['aggregator', '--data', directory, '--clickhouse-url', clickhouse]);
    let aggregator: Service | null = null;
    try {
      await stream.ensureTopics([{ name: TOPIC, ...TOPIC_SPECS.profiles }]);
      const fleet = new Fleet(fleetOptions);
      const publisher = new Publisher(fleet, stream);
      progress('publishing what goes before');
      await publisher.introduce();
      await publisher.publish(wanted, false);
      aggregator = await aggregate(url);
      await untilStored(store, publisher.count, aggregator);
      aggregator.pause();
      progress('publishing what is measured');
      const published = await publisher.publish(wanted, true);
      const { rows } = published;
      progress(`${rows} rows in ${published.messages.length} messages; stage by stage`);
      const stages = await measureStages(published.messages);
      progress('the floor: prepared blocks');
      await untilMerged(store);
      const floor = await insertPrepared(store, engine, stages.blocks);
      await untilMerged(store);
      progress('through the aggregator');
      const whole = await measureWhole(store, engine, aggregator, publisher.count);
      await checkStore(store, publisher.totals);
      progress('time from message to query');
      const latencyRuns = quick ? 2 : 10;
      const latency = await timeToQuery(store, stream, fleet, latencyRuns);
      const aggregatorPeak = peakMb(aggregator.pid);
      await aggregator.stop();
      progress('publishing for a slow store');
      await publisher.again(published.messages, quick ? 1 : Math.ceil(BACKLOG_BYTES / published.bytes));
      const slow = await slowStore(url, SLOWER);
      aggregator = await aggregate(slow.url);
      progress(`${slowSeconds} s before a store that takes ${SLOWER} times as long`);
      const memory = await memoryOf(aggregator, slowSeconds);
      const slowBlocks = slow.inserts();
      await aggregator.stop();
      aggregator = null;
      await slow.close();
      const late = publisher.count + latencyRuns - (await deliveries(store));
      progress('waiting for merges');
      await untilMerged(store);
      const sizes = await bytesByTable(store);
      const all = await countOf(store, 'samples');
      const perSecond = (cpu: number) => rows / cpu;
      const stageRows: Cell[][] = [
        ['encode OTLP (the generator, not the product)', perSecond(published.encodeCpu), published.encodeCpu],
        ['decode', perSecond(stages.decodeCpu), stages.decodeCpu],
        ['decode in TypeScript (collector, API)', perSecond(stages.typescriptCpu), stages.typescriptCpu],
        ['decode and map, everything known', perSecond(stages.warm.map), stages.warm.map],
        ['rows to blocks, everything known', perSecond(stages.warm.blocks), stages.warm.blocks],
        ['decode and map, everything new', perSecond(stages.cold.map), stages.cold.map],
        ['rows to blocks, everything new', perSecond(stages.cold.blocks), stages.cold.blocks],
        ['insert prepared blocks, samples alone', perSecond(floor.samples), floor.samples],
        ['insert prepared blocks, with roll-ups (the floor)', perSecond(floor.withRollUps), floor.withRollUps],
        ['stream to store: aggregator', perSecond(whole.aggregatorCpu), whole.aggregatorCpu],
        ['stream to store: engine', perSecond(whole.engineCpu), whole.engineCpu],
        ['stream to store, all of it', perSecond(whole.cpu), whole.cpu],
      ];
      return {
        parameters: {
          rows,
          messages: published.messages.length,
          pods: fleetOptions.pods,
          nodes: fleetOptions.nodes,
          'window s': WINDOW,
        },
        ratios: [
          ratio(
            'stream to store, rows a CPU-second',
            perSecond(whole.cpu),
            'the same rows as prepared blocks, roll-ups included',
            perSecond(floor.withRollUps),
            'higher',
          ),
          ratio(
            'stream to store, rows a CPU-second',
            perSecond(whole.cpu),
            '20 times what Pyroscope and Parca take in',
            TWENTY_TIMES_OTHERS,
            'higher',
          ),
          ratio(
            'decode, rows a CPU-second',
            perSecond(stages.decodeCpu),
            'the same rows as prepared blocks, roll-ups included',
            perSecond(floor.withRollUps),
            'higher',
          ),
        ],
        tables: [
          { title: 'Stages', columns: ['stage', 'rows a CPU-second', 'CPU s'], rows: stageRows },
          {
            title: 'Sizes',
            columns: ['what', 'bytes a row'],
            rows: [
              ['stream, as sent', published.bytes / rows],
              ['stream, zstd level 3 over 16 messages', published.zstdBytes / rows],
              ...sizes.map(([table, bytes]): Cell[] => [`store, ${table}`, bytes / all]),
            ],
          },
          {
            title: 'Stream to store',
            columns: ['what', 'figure'],
            rows: [
              ['rows a second (wall)', rows / whole.seconds],
              ['blocks of samples', whole.blocks],
              ['CPU s of the engine that are merges', whole.mergesCpu],
              ['rows that merges read, for each row', whole.mergedRows / rows],
              ['peak resident MB of the aggregator', aggregatorPeak],
              ['message to query, median ms', latency],
            ],
          },
          {
            title: `Memory of an aggregator before a store that takes ${SLOWER} times as long`,
            columns: ['what', 'figure'],
            rows: [
              ['inserts that were answered', slowBlocks],
              ['messages still to be stored at the end', late],
              ...memory.map(({ second, mb }): Cell[] => [`resident MB after ${second} s`, mb]),
            ],
          },
        ],
        notes: [
          `CPU is user and system of aggregator and engine, each a process of its own, the engine behind its HTTP interface, until the engine merges nothing any more: of the floor too. A row is one (second, series, stack); ${(rows / published.messages.length).toFixed(0)} rows a message.`,
          'Before, the aggregator had each stack of each service once, and then as many rows as are measured: it knows series, stacks and frames, as one that runs for a day does, and nothing of them is new in what is measured. So the floor has the same rows but those of deliveries, one a message. It inserts them in blocks of 200,000 through the same interface into tables made alike.',
          'A block of the pipeline is what a partition has waiting: with the default of 1M rows 63,000. One of 16 of a fleet of 1,000 nodes (92,000 rows a second) has 34,000 when its six seconds are over, and more after an outage.',
          'The store was checked against the generator: samples by service and stack.',
          'Message to query: one message is sent to an idle aggregator and the store is asked until it answers with its rows; the block waits until nothing came for a second.',
        ],
      };
    } finally {
      await aggregator?.stop();
      await stream.close();
      await store.close();
      await engine.stop();
    }
  },
};

async function measureWhole(store: Store, engine: Service, aggregator: Service, messages: number) {
  const merged = await mergedRows(store);
  const blocks = await blocksOf(store);
  const [started, before] = [performance.now(), [aggregator.cpu(), engine.cpu(), engine.cpu(MERGES)] as const];
  aggregator.resume();
  await untilStored(store, messages, aggregator);
  const seconds = (performance.now() - started) / 1000;
  const aggregatorCpu = aggregator.cpu() - before[0];
  // What an insert leaves to do later is its cost as well.
  await untilMerged(store);
  const engineCpu = engine.cpu() - before[1];
  return {
    seconds,
    aggregatorCpu,
    engineCpu,
    mergesCpu: engine.cpu(MERGES) - before[2],
    cpu: aggregatorCpu + engineCpu,
    mergedRows: (await mergedRows(store)) - merged,
    blocks: (await blocksOf(store)) - blocks,
  };
}

async function memoryOf(service: Service, seconds: number): Promise<{ second: number; mb: number }[]> {
  const seen: { second: number; mb: number }[] = [];
  const steps = Math.min(6, seconds);
  for (let step = 1; step <= steps; step++) {
    await new Promise((resolve) => setTimeout(resolve, (seconds * 1000) / steps));
    seen.push({ second: Math.round((step * seconds) / steps), mb: residentMb(service.pid) });
  }
  return seen;
}

const deliveries = (store: Store) => countOf(store, 'delivery_log');

/** Deliveries are written last in a block. */
const untilStored = (store: Store, messages: number, aggregator: Service) =>
  until(
    'every message is stored',
    async () => {
      aggregator.mustRun();
      return (await deliveries(store)) >= messages;
    },
    () => aggregator.errors(),
    // Each look costs the engine some milliseconds.
    500,
  );

/** Median milliseconds from handing a message to the stream until a query answers with its rows. */
async function timeToQuery(store: Store, stream: Stream, fleet: Fleet, times: number): Promise<number> {
  const producer = await stream.producer();
  const all: number[] = [];
  try {
    const pods = fleet.pods.slice(0, 5);
    for (let i = 0; i < times; i++) {
      // Seconds of its own: nothing else in the store has them.
      const time = Math.floor(Date.now() / 1000) + 600 + i;
      const { body, rows } = nodeMessage(fleet, pods, 1_000_000 + i, time, 1);
      const sent = performance.now();
      await producer.send(TOPIC, [outgoing('bench-latency', i + 1, 0, body)]);
      await until(
        'the message is answered by a query',
        async () => {
          const [row] = await store.query<{ n: string }>(
            "SELECT count() AS n FROM samples WHERE time = toDateTime({time:UInt32}, 'UTC')",
            { time },
          );
          return Number(row?.n) >= rows;
        },
        () => '',
      );
      all.push(performance.now() - sent);
    }
  } finally {
    await producer.close();
  }
  return all.sort((a, b) => a - b)[all.length >> 1]!;
}

/** Looks every so many milliseconds, for ten minutes at most. */
async function until(
  what: string,
  done: () => boolean | Promise<boolean>,
  why: () => string,
  everyMs = 50,
): Promise<void> {
  const deadline = performance.now() + 600_000;
  while (!(await done())) {
    if (performance.now() > deadline)
      throw new Error(`waited 10 minutes until ${what}; last error: ${why() || 'none'}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
