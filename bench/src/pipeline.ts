import { join } from 'node:path';
import { openStore } from '@perfleet/clickhouse';
import { TOPIC_SPECS } from '@perfleet/messages';
import { DEFAULT_FLEET, Fleet } from '@perfleet/simulate';
import { parseCount, peakMb } from './measure.ts';
import { openBroker, parseBroker, type Broker } from './pipeline-broker.ts';
import { inBlocks, insertPrepared } from './pipeline-floor.ts';
import { Publisher, TOPIC, WINDOW } from './pipeline-publish.ts';
import { deliveries, measureWhole, memoryOf, timeToQuery, untilStored } from './pipeline-run.ts';
import { measureStages } from './pipeline-stages.ts';
import { bytesByTable, checkStore, countOf } from './pipeline-store.ts';
import { untilMerged } from './query-store.ts';
import { ratio, type Benchmark, type Cell } from './report.ts';
import { startService, type Service } from './service.ts';
import { slowStore } from './slow-store.ts';

/** Rows a CPU-second of the target: 20 times what Pyroscope and Parca take in (23,000 and 25,000 on the same kind of machine). */
const TWENTY_TIMES_OTHERS = 500_000;
/** How many times as long the store takes where it is to be slow. */
const SLOWER = 10;
/** More than an aggregator may hold of all partitions: 16 blocks. */
const BACKLOG_BYTES = 1.5e9;

export const pipeline: Benchmark = {
  name: 'pipeline',
  description:
    'rows per CPU-second from OTLP messages on the stream through the aggregator into the store, against inserting the same rows as prepared blocks; memory before a slow store',
  options: [
    {
      flags: '--broker <kind>',
      description:
        'kafka or embedded: where messages come from (kafka where a broker can be had; with --quick embedded)',
    },
    { flags: '--rows <n>', description: 'sample rows to measure (1M); as many go before them' },
    {
      flags: '--slow-seconds <n>',
      description: `how long to run before a store that takes ${SLOWER} times as long (60)`,
    },
  ],

  async run({ quick, options, directory, root, progress }) {
    const wanted = parseCount('--rows', options['rows'], quick ? 20_000 : 1_000_000, 200_000_000);
    const wantedBroker = parseBroker(options['broker']) ?? (quick ? 'embedded' : undefined);
    const slowSeconds = parseCount('--slow-seconds', options['slowSeconds'], quick ? 2 : 60, 3600);
    const fleetOptions = quick
      ? { ...DEFAULT_FLEET, pods: 60, nodes: 4, services: 6, stacksPerService: 400 }
      : DEFAULT_FLEET;
    const engine = await startService(root, ['clickhouse', '--data', join(directory, 'engine'), '--http-port', '0']);
    const url = /http:\S+/.exec(engine.line)![0];
    const store = await openStore({ kind: 'server', url });
    let broker: Broker | null = null;
    let aggregator: Service | null = null;
    try {
      broker = await openBroker(wantedBroker, directory, progress);
      const { stream, env } = broker;
      const aggregate = (clickhouse: string) =>
        startService(root, ['aggregator', '--data', directory, '--clickhouse-url', clickhouse], env);
      await stream.ensureTopics([{ name: TOPIC, ...TOPIC_SPECS.profiles }]);
      const fleet = new Fleet(fleetOptions);
      const publisher = new Publisher(fleet, broker.send);
      progress('publishing what goes before');
      await publisher.introduce();
      await publisher.publish(wanted);
      aggregator = await aggregate(url);
      await untilStored(store, publisher.count, aggregator);
      progress('making what is measured');
      const published = publisher.prepare(wanted);
      const { rows } = published;
      progress(`${rows} rows in ${published.messages.length} messages; stage by stage`);
      const stages = await measureStages(published.messages);
      progress('the floor: prepared blocks');
      await untilMerged(store);
      const floor = await insertPrepared(store, engine, stages.blocks);
      await untilMerged(store);
      progress('through the aggregator');
      aggregator.pause();
      await published.send();
      const whole = await measureWhole(store, engine, aggregator, broker, publisher.count);
      await checkStore(store, publisher.totals);
      progress('the same rows as prepared blocks, as many as the aggregator wrote');
      const alike = await insertPrepared(store, engine, inBlocks(stages.blocks, whole.blocks));
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
        [`insert ${whole.blocks} prepared blocks, with roll-ups`, perSecond(alike.withRollUps), alike.withRollUps],
        ['stream to store: aggregator', perSecond(whole.aggregatorCpu), whole.aggregatorCpu],
        ['stream to store: engine', perSecond(whole.engineCpu), whole.engineCpu],
        ['stream to store, all of it', perSecond(whole.cpu), whole.cpu],
        ...(whole.brokerCpu === null
          ? []
          : [['broker, not in the sum', perSecond(whole.brokerCpu), whole.brokerCpu] satisfies Cell[]]),
      ];
      return {
        parameters: {
          broker: broker.kind,
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
            'the same rows in as many prepared blocks as the aggregator wrote, roll-ups included',
            perSecond(alike.withRollUps),
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
          broker.note,
          `CPU is user and system of aggregator and engine, each a process of its own, the engine behind its HTTP interface, until the engine merges nothing any more: of the floor too. A row is one (second, series, stack); ${(rows / published.messages.length).toFixed(0)} rows a message.`,
          'Before, the aggregator had each stack of each service once, and then as many rows as are measured: it knows series, stacks and frames, as one that runs for a day does, and nothing of them is new in what is measured. So the floor has the same rows but those of deliveries, one a message. It inserts them in blocks of 200,000 through the same interface into tables made alike: few blocks, which are hardly merged. The second reference inserts the same rows in as many blocks as the aggregator wrote, with their merges: what it costs more than the floor is the size of blocks.',
          'A block of the pipeline is what a partition has waiting: with the default of 1M rows 63,000. One of 16 of a fleet of 1,000 nodes (92,000 rows a second) has 34,000 when its six seconds are over, and more after an outage.',
          'The store was checked against the generator: samples by service and stack.',
          'Message to query: one message is sent to an idle aggregator and the store is asked until it answers with its rows; the block waits until nothing came for a second.',
        ],
      };
    } finally {
      await aggregator?.stop();
      await broker?.close();
      await store.close();
      await engine.stop();
    }
  },
};
