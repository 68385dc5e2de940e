import type { Store } from '@perfleet/clickhouse';
import { nodeMessage, type Fleet } from '@perfleet/simulate';
import type { Stream } from '@perfleet/stream';
import { residentMb } from './measure.ts';
import type { Broker } from './pipeline-broker.ts';
import { outgoing, TOPIC } from './pipeline-publish.ts';
import { blocksOf, countOf, mergedRows } from './pipeline-store.ts';
import { untilMerged } from './query-store.ts';
import type { Service } from './service.ts';

/** Name of the engine's threads that merge parts. */
const MERGES = 'MergeMutate';

/** Lets the aggregator go on, until everything is stored and merged. */
export async function measureWhole(
  store: Store,
  engine: Service,
  aggregator: Service,
  broker: Broker,
  messages: number,
) {
  const merged = await mergedRows(store);
  const blocks = await blocksOf(store);
  const [started, before] = [performance.now(), [aggregator.cpu(), engine.cpu(), engine.cpu(MERGES)] as const];
  const brokerBefore = broker.cpu();
  aggregator.resume();
  await untilStored(store, messages, aggregator);
  const seconds = (performance.now() - started) / 1000;
  const aggregatorCpu = aggregator.cpu() - before[0];
  const brokerCpu = brokerBefore === null ? null : broker.cpu()! - brokerBefore;
  // What an insert leaves to do later is its cost as well.
  await untilMerged(store);
  const engineCpu = engine.cpu() - before[1];
  return {
    seconds,
    aggregatorCpu,
    engineCpu,
    brokerCpu,
    mergesCpu: engine.cpu(MERGES) - before[2],
    cpu: aggregatorCpu + engineCpu,
    mergedRows: (await mergedRows(store)) - merged,
    blocks: (await blocksOf(store)) - blocks,
  };
}

export async function memoryOf(service: Service, seconds: number): Promise<{ second: number; mb: number }[]> {
  const seen: { second: number; mb: number }[] = [];
  const steps = Math.min(6, seconds);
  for (let step = 1; step <= steps; step++) {
    await new Promise((resolve) => setTimeout(resolve, (seconds * 1000) / steps));
    seen.push({ second: Math.round((step * seconds) / steps), mb: residentMb(service.pid) });
  }
  return seen;
}

export const deliveries = (store: Store) => countOf(store, 'delivery_log');

/** Deliveries are written last in a block. */
export const untilStored = (store: Store, messages: number, aggregator: Service) =>
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
export async function timeToQuery(store: Store, stream: Stream, fleet: Fleet, times: number): Promise<number> {
  const producer = await stream.producer();
  const all: number[] = [];
  try {
    const pods = fleet.pods.slice(0, 5);
    for (let i = 0; i < times; i++) {
      // Seconds of its own: nothing else in the store has them.
      const time = Math.floor(Date.now() / 1000) + 600 + i;
      const { body, rows } = nodeMessage(fleet, pods, 1_000_000 + i, time, 1);
      const sent = performance.now();
      await producer.send(TOPIC, [outgoing({ node: 'bench-latency', seq: i + 1, taken: 0, body })]);
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
