import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, ShardWriters, type Shard, type Store } from '@perfleet/clickhouse';
import { createLogger } from '@perfleet/observability';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAggregator } from './index.ts';
import { knownBody, KNOWN_COUNT, LINKED_COUNT, PERIOD, profileMessage, topics } from './fixtures.ts';

const directory = mkdtempSync(join(tmpdir(), 'aggregator-shards-'));
const logger = createLogger('test', { level: 'error' });
const NOW = Math.floor(Date.now() / 1000) - 3600;
const NODES = Array.from({ length: 8 }, (_, i) => `n${i}`);
const SHARDS = ['a', 'b', 'c'];
const PREFIX = 'p-';
/** Series are numbers in a dictionary, which the engine wants to be told of wherever such a column is made. */
const SUSPICIOUS = { settings: { allow_suspicious_low_cardinality_types: 1 } };
let store: Store;
let stream: Stream;

/** One engine: what every server of a cluster has is in its database, and what a shard has alone in one of the shard's name. */
beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path: join(directory, 'clickhouse') });
  stream = await openEmbeddedStream({ path: join(directory, 'stream.db') });
  for (const shard of SHARDS) {
    await store.command(`CREATE DATABASE ${shard}`);
    for (const table of ['samples', 'linked_samples', 'samples_10m'])
      await store.command(`CREATE TABLE ${shard}.${table}_local AS ${table}`, SUSPICIOUS);
    await store.command(
      `CREATE MATERIALIZED VIEW ${shard}.roll_up TO ${shard}.samples_10m_local AS
       SELECT toStartOfTenMinutes(s.time) AS time, workload, stack, sum(value) AS value FROM ${shard}.samples_local AS s GROUP BY ALL`,
    );
  }
});
afterAll(async () => {
  await stream?.close();
  await store?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** The process is killed at the inserts for which this is true, and writes nothing from then on. */
type Kill = (shard: string, table: string) => boolean;

function replica(shard: string, kill: Kill): Store {
  return new Proxy(store, {
    get(target, property) {
      if (property === 'close' || property === 'command') return async () => undefined;
      if (property === 'insert')
        return async (...[table, ...rest]: Parameters<Store['insert']>) => {
          if (kill(shard, table)) throw new Error(`killed before ${table}`);
          await target.insert(table.endsWith('_local') ? `${shard}.${table}` : table, ...rest);
        };
      const member = Reflect.get(target, property, target) as unknown;
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

function aggregatorWith(names: readonly string[], kill: Kill = () => false) {
  const shards: Shard[] = names.map((name) => ({ name, urls: [name] }));
  const writers = new ShardWriters(shards, {}, (url) => replica(url, kill));
  return createAggregator({ stream, store, shards: writers, topicPrefix: PREFIX, logger, cluster: 'c', flushMs: 50 });
}

/** A message of each node, whose samples are at times of its own. */
async function send(seq: number) {
  const producer = await stream.producer();
  for (const [i, node] of NODES.entries())
    await producer.send(topics(PREFIX).profiles, [
      profileMessage({ node, seq, taken: seq * KNOWN_COUNT }, knownBody(timeOf(seq, i))),
    ]);
  await producer.close();
}
const timeOf = (seq: number, node: number) => NOW + seq * 600 + node * 10;

const within = (time: number) => `time >= toDateTime(${time}, 'UTC') AND time < toDateTime(${time + 2}, 'UTC')`;

/** Shard and sum of each message's samples, wherever there are some. */
async function stored() {
  const found: Record<string, number> = {};
  for (const shard of SHARDS)
    for (const seq of [1, 2])
      for (const [i, node] of NODES.entries()) {
        const [row] = await store.query<{ v: string }>(
          `SELECT sum(value) AS v FROM ${shard}.samples_local WHERE ${within(timeOf(seq, i))}`,
        );
        if (row!.v !== '0') found[`${node} ${seq} ${shard}`] = Number(row!.v);
      }
  return found;
}

it('a block that was begun is finished on its shard when the map of shards has changed, and nothing is there twice', async () => {
  // Some partitions have their samples, and not their deliveries; others have the stored range alone.
  const before = ['a', 'b'];
  const killed = aggregatorWith(before, (shard, table) => (shard === 'a' ? 'samples_local' : 'delivery_log') === table);
  await killed.start();
  await send(1);
  const partitions = async () =>
    (await stream.offsets(topics(PREFIX).profiles)).filter(({ high, low }) => high > low).length;
  await expect.poll(async () => killed.stats().errors, { timeout: 20_000 }).toBeGreaterThanOrEqual(await partitions());
  await killed.stop();
  expect(Object.keys(await stored()).every((key) => key.endsWith(' b'))).toBe(true);

  const after = ['c', 'a', 'b'];
  const next = aggregatorWith(after);
  await next.start();
  const delivered = async () =>
    Number((await store.query<{ n: string }>('SELECT count() AS n FROM delivery_log'))[0]!.n);
  await expect.poll(delivered, { timeout: 20_000 }).toBe(NODES.length);
  await send(2);
  await expect.poll(delivered, { timeout: 20_000 }).toBe(2 * NODES.length);
  await next.stop();

  const of = new Map(
    (await store.query<{ node: string; partition: number }>('SELECT DISTINCT node, partition FROM delivery_log')).map(
      ({ node, partition }) => [node, partition],
    ),
  );
  const expected = Object.fromEntries(
    NODES.flatMap((node) => {
      const partition = of.get(node)!;
      return [
        [`${node} 1 ${before[partition % 2]}`, KNOWN_COUNT * PERIOD],
        [`${node} 2 ${after[partition % 3]}`, KNOWN_COUNT * PERIOD],
      ];
    }),
  );
  // The data set is one in which it matters.
  expect(NODES.some((node) => after[of.get(node)! % 3] !== before[of.get(node)! % 2])).toBe(true);
  expect(await stored()).toEqual(expected);
  for (const [table, count] of [
    ['samples_10m', KNOWN_COUNT],
    ['linked_samples', LINKED_COUNT],
  ] as const) {
    const sums = SHARDS.map((shard) => `SELECT sum(value) AS v FROM ${shard}.${table}_local`).join(' UNION ALL ');
    const [sum] = await store.query<{ v: string }>(`SELECT sum(v) AS v FROM (${sums})`);
    expect([table, Number(sum!.v)]).toEqual([table, 2 * NODES.length * count * PERIOD]);
  }
  expect(await store.query('SELECT DISTINCT messages, duplicates, stored, balance FROM deliveries')).toEqual([
    { messages: '2', duplicates: '0', stored: String(2 * KNOWN_COUNT), balance: '0' },
  ]);
});
