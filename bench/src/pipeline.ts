import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { createAggregator } from '@perfleet/aggregator';
import { openStore, type RowBinaryBlock, TABLES, type Store } from '@perfleet/clickhouse';
import { encodeProfileHeaders, TOPICS, TOPIC_SPECS } from '@perfleet/messages';
import { createLogger } from '@perfleet/observability';
import { OTLP_SCHEMA } from '@perfleet/otlp';
import { DEFAULT_FLEET, Fleet, nodeMessage, PERIOD, Totals } from '@perfleet/simulate';
import { openEmbeddedStream, type OutgoingMessage, type Stream, type StreamMessage } from '@perfleet/stream';
import { cpuSeconds, measure, parseCount, residentMb } from './measure.ts';
import { measureStages } from './pipeline-stages.ts';
import { untilMerged } from './query-store.ts';
import { ratio, type Benchmark, type Cell } from './report.ts';

const WINDOW = 5;
const TOPIC = TOPICS.profiles;

interface Published {
  readonly messages: StreamMessage[];
  readonly count: number;
  readonly rows: number;
  readonly bytes: number;
  readonly zstdBytes: number;
  readonly encodeCpu: number;
  readonly totals: Totals;
}

export const pipeline: Benchmark = {
  name: 'pipeline',
  description:
    'rows per CPU-second from OTLP messages on the stream through the aggregator into the store, against inserting the same rows as prepared blocks',
  options: [{ flags: '--rows <n>', description: 'sample rows to send through (2M)' }],

  async run({ quick, options, directory, progress }) {
    const wanted = parseCount('--rows', options['rows'], quick ? 20_000 : 2_000_000, 200_000_000);
    const fleetOptions = quick
      ? { ...DEFAULT_FLEET, pods: 60, nodes: 4, services: 6, stacksPerService: 400 }
      : DEFAULT_FLEET;
    const store = await openStore({ kind: 'embedded', path: join(directory, 'clickhouse') });
    const stream = await openEmbeddedStream({ path: join(directory, 'stream.db') });
    try {
      await stream.ensureTopics([{ name: TOPIC, ...TOPIC_SPECS.profiles }]);
      progress('publishing');
      const published = await publish(new Fleet(fleetOptions), stream, wanted);
      progress(`${published.rows} rows in ${published.messages.length} messages; stage by stage`);
      const stages = await measureStages(published.messages);
      progress('the floor: prepared blocks');
      const floor = await insertPrepared(store, stages.blocks);
      // The generator's objects would be marked again at every collection of garbage while the aggregator is measured.
      published.messages.length = 0;
      stages.blocks.length = 0;
      progress('through the aggregator');
      const whole = await aggregate(store, stream, published.rows);
      await checkStore(store, published.totals);
      progress('time from message to query');
      const latency = await timeToQuery(store, stream, new Fleet(fleetOptions), quick ? 2 : 10);
      progress('waiting for merges');
      await untilMerged(store);
      const { rows } = published;
      const sizes = await bytesByTable(store);
      const perSecond = (cpu: number) => rows / cpu;
      const stageRows: Cell[][] = [
        ['encode OTLP (the generator, not the product)', perSecond(published.encodeCpu), published.encodeCpu],
        ['decode', perSecond(stages.decodeCpu), stages.decodeCpu],
        ['decode in TypeScript (collector, API)', perSecond(stages.typescriptCpu), stages.typescriptCpu],
        ['decode and map, everything known', perSecond(stages.warm.map), stages.warm.map],
        ['rows to blocks, everything known', perSecond(stages.warm.blocks), stages.warm.blocks],
        ['decode and map, everything new', perSecond(stages.cold.map), stages.cold.map],
        ['rows to blocks, everything new', perSecond(stages.cold.blocks), stages.cold.blocks],
        ['insert prepared blocks (the floor)', perSecond(floor.cpu), floor.cpu],
        ['stream to store, all of it', perSecond(whole.cpu), whole.cpu],
      ];
      return {
        parameters: {
          rows,
          messages: published.count,
          pods: fleetOptions.pods,
          nodes: fleetOptions.nodes,
          'window s': WINDOW,
        },
        ratios: [
          ratio(
            'stream to store, rows a CPU-second',
            perSecond(whole.cpu),
            'the same rows as prepared blocks',
            perSecond(floor.cpu),
            'higher',
          ),
          ratio(
            'decode, rows a CPU-second',
            perSecond(stages.decodeCpu),
            'the same rows as prepared blocks',
            perSecond(floor.cpu),
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
              ...sizes.map(([table, bytes]): Cell[] => [`store, ${table}`, bytes / rows]),
            ],
          },
          {
            title: 'Stream to store',
            columns: ['what', 'figure'],
            rows: [
              ['rows a second (wall)', rows / whole.seconds],
              ['blocks', whole.blocks],
              ['peak resident MB', whole.peakMb],
              ['of that before it started, MB', whole.beforeMb],
              ['message to query, median ms', latency],
            ],
          },
        ],
        notes: [
          `CPU is user and system of the whole process, engine and its merges included. A row is one (second, series, stack); ${(rows / published.count).toFixed(0)} rows a message.`,
          'The store was checked against the generator: samples by service and stack.',
          'Message to query: one message is sent to an idle aggregator and the store is asked until it answers with its rows; the block waits until nothing came for a second, at most 3 s.',
        ],
      };
    } finally {
      await stream.close();
      await store.close();
    }
  },
};

/** Whole windows of all nodes until there are `wanted` rows. The times end now, so that retention keeps them. */
async function publish(fleet: Fleet, stream: Stream, wanted: number): Promise<Published> {
  const producer = await stream.producer();
  const totals = new Totals();
  const byNode = Array.from({ length: fleet.options.nodes }, (_, node) =>
    fleet.pods.filter((pod) => pod.node === node),
  );
  const taken = byNode.map(() => 0);
  const start = Math.floor(Date.now() / 1000) - 6 * 3600;
  const messages: StreamMessage[] = [];
  let [rows, bytes, zstdBytes, encodeCpu] = [0, 0, 0, 0];
  for (let window = 0; rows < wanted; window++) {
    const batch: OutgoingMessage[] = [];
    byNode.forEach((pods, node) => {
      const before = cpuSeconds();
      const message = nodeMessage(fleet, pods, window, start + window * WINDOW, WINDOW, totals);
      encodeCpu += cpuSeconds() - before;
      taken[node]! += message.samples;
      rows += message.rows;
      bytes += message.body.length;
      batch.push(outgoing(fleet.nodeName(node), window + 1, taken[node]!, message.body));
    });
    await producer.send(TOPIC, batch);
    for (let i = 0; i < batch.length; i += 16)
      zstdBytes += zstdCompressSync(Buffer.concat(batch.slice(i, i + 16).map(({ value }) => value!))).length;
    batch.forEach(({ key, value, headers }) =>
      messages.push({
        topic: TOPIC,
        partition: 0,
        offset: BigInt(messages.length),
        key: Buffer.from(String(key)),
        value,
        headers: headers ?? {},
        timestamp: Date.now(),
      }),
    );
  }
  await producer.close();
  return { messages, count: messages.length, rows, bytes, zstdBytes, encodeCpu, totals };
}

function outgoing(node: string, seq: number, taken: number, body: Uint8Array): OutgoingMessage {
  const headers = encodeProfileHeaders({
    schema: OTLP_SCHEMA,
    node,
    epoch: '00000000000000be',
    epochStart: Date.now() - 60_000,
    seq,
    sent: Date.now(),
    taken,
    lost: {},
  });
  return { key: node, value: body, headers };
}

/** The floor: an identical table, the same rows, nothing else. Merges that it causes while it runs count for it. */
async function insertPrepared(store: Store, blocks: readonly RowBinaryBlock[]) {
  await store.command('CREATE TABLE floor AS samples');
  const result = await measure(async () => {
    for (const [i, block] of blocks.entries()) await store.insert('floor', TABLES.samples, block, `floor-${i}`);
  });
  await untilMerged(store);
  await store.command('DROP TABLE floor SYNC');
  return result;
}

async function aggregate(store: Store, stream: Stream, rows: number) {
  const beforeMb = residentMb();
  let peakMb = beforeMb;
  const timer = setInterval(() => (peakMb = Math.max(peakMb, residentMb())), 100);
  const aggregator = newAggregator(store, stream);
  try {
    const { seconds, cpu } = await measure(async () => {
      await aggregator.start();
      await until(
        'every row is stored',
        () => aggregator.stats().rows >= rows,
        () => aggregator.stats().lastError,
      );
    });
    return { seconds, cpu, peakMb, beforeMb, blocks: aggregator.stats().blocks };
  } finally {
    clearInterval(timer);
    await aggregator.stop();
  }
}

const newAggregator = (store: Store, stream: Stream) =>
  createAggregator({ stream, store, topicPrefix: '', logger: createLogger('bench', { level: 'error' }) });

/** @throws Error when a stack's samples differ: a fast pipeline that loses some is worth nothing */
async function checkStore(store: Store, totals: Totals): Promise<void> {
  const found = await store.query<{ service: string; stack: string; n: string }>(
    `SELECT service, stack, sum(value) AS n FROM samples INNER JOIN (SELECT series, any(service) AS service FROM series GROUP BY series) AS l
     USING (series) GROUP BY service, stack`,
  );
  let samples = 0;
  for (const { service, stack, n } of found) {
    const expected = (totals.stacks(service).get(BigInt(stack)) ?? 0) * PERIOD;
    if (Number(n) !== expected)
      throw new Error(`stack ${stack} of ${service}: the store has ${n} ns, the fleet made ${expected}`);
    samples += Number(n) / PERIOD;
  }
  if (samples !== totals.samples) throw new Error(`the store has ${samples} samples, the fleet made ${totals.samples}`);
}

/** Median milliseconds from handing a message to the stream until a query answers with its rows. */
async function timeToQuery(store: Store, stream: Stream, fleet: Fleet, times: number): Promise<number> {
  const aggregator = newAggregator(store, stream);
  const producer = await stream.producer();
  const all: number[] = [];
  try {
    await aggregator.start();
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
        () => aggregator.stats().lastError,
      );
      all.push(performance.now() - sent);
    }
  } finally {
    await producer.close();
    await aggregator.stop();
  }
  return all.sort((a, b) => a - b)[all.length >> 1]!;
}

/** Polls every 10 ms, for ten minutes at most. */
async function until(what: string, done: () => boolean | Promise<boolean>, why: () => string): Promise<void> {
  const deadline = performance.now() + 600_000;
  while (!(await done())) {
    if (performance.now() > deadline)
      throw new Error(`waited 10 minutes until ${what}; last error: ${why() || 'none'}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function bytesByTable(store: Store): Promise<(readonly [string, number])[]> {
  const rows = await store.query<{ table: string; bytes: string }>(
    `SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts
     WHERE active AND database = currentDatabase() AND table IN ('samples', 'samples_10m', 'samples_1d', 'stacks', 'frames', 'series', 'workloads', 'delivery_log')
     GROUP BY table ORDER BY sum(bytes_on_disk) DESC`,
  );
  return rows.map(({ table, bytes }) => [table, Number(bytes)] as const);
}
