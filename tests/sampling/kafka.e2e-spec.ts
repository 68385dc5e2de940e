import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { encodeProfileHeaders, TOPICS } from '@perfleet/messages';
import { OTLP_SCHEMA } from '@perfleet/otlp';
import { openKafkaStream, type KafkaStream } from '@perfleet/stream';
import {
  collectorAccount,
  requireTool,
  startKafka,
  startRedis,
  waitFor,
  type TestKafka,
  type TestRedis,
} from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bestRung, startPerfleet, urlIn, type Running } from '../support/perfleet.ts';
import { readTopic } from '../support/read-topic.ts';
import { checkBalance, checkNode, checkShares, deliveries, sql } from '../support/shares.ts';
import { startWorkloads, type Workloads } from '../support/workloads.ts';

const missing = ['java', 'redis-server'].map(requireTool).find(({ available }) => !available);
const NODE = hostname();
const ACCOUNTS = { args: ['--user', ...collectorAccount('node-secret')] };

describe.skipIf(missing)(`four services over Kafka and Redis${missing ? ` (skipped: ${missing.reason})` : ''}`, () => {
  const data = mkdtempSync(join(tmpdir(), 'perfleet-kafka-e2e-'));
  const services = new Map<string, Running>();
  let kafka: TestKafka;
  let redis: TestRedis;
  let stream: KafkaStream;
  let workloads: Workloads;
  let server: string;
  let env: Record<string, string>;

  const start = async (name: string, own: Record<string, string>, ...args: string[]) => {
    const running = await startPerfleet([name, '--data', join(data, name), ...args], own);
    services.set(name, running);
    return running;
  };
  /** With an account of its own in Redis, which reaches no more than a collector needs. */
  const startCollector = () => {
    const own = { ...env, PERFLEET_REDIS_URL: redis.url.replace('//', '//collector:node-secret@') };
    return start('collector', own, '--rate', '99');
  };
  const stop = async (name: string) => {
    const running = services.get(name)!;
    const { code, ms } = await running.stop('SIGINT');
    services.delete(name);
    expect(code, running.log()).toBe(0);
    expect(ms, `${name} took too long to stop: ${running.log()}`).toBeLessThan(3_000);
    return running;
  };
  /** What the collector took and could not send yet. */
  const spooled = () => {
    const db = new DatabaseSync(join(data, 'collector/collector/spool.db'), { readOnly: true });
    const row = db.prepare('SELECT count(*) AS messages, max(seq) AS seq FROM messages').get();
    db.close();
    return row as { messages: number; seq: number | null };
  };
  const newest = async () => {
    const { rows } = await sql(
      server,
      `SELECT epoch FROM deliveries WHERE node = '${NODE}' ORDER BY epoch_start DESC LIMIT 1`,
    );
    return String(rows[0]![0]);
  };
  const epochOf = async (epoch: string) => (await deliveries(server)).find((delivery) => delivery.epoch === epoch)!;
  /** Waits until the aggregator has written `more` further messages of the epoch. */
  const goesOn = async (epoch: string, more: number) => {
    const { last_seq } = await epochOf(epoch);
    await waitFor(async () => (await epochOf(epoch)).last_seq >= last_seq + more, {
      timeoutMs: 60_000,
      what: `${more} further messages of epoch ${epoch}`,
    });
  };

  beforeAll(async () => {
    workloads = startWorkloads();
    [kafka, redis] = await Promise.all([startKafka(), startRedis(ACCOUNTS)]);
    env = { PERFLEET_KAFKA_BROKERS: kafka.brokers.join(), PERFLEET_REDIS_URL: redis.url };
    env = { ...env, PERFLEET_WINDOW_SECONDS: '2' };
    const clickhouse = await start('clickhouse', env, '--http-port', '0');
    env = { ...env, PERFLEET_CLICKHOUSE_URL: urlIn(clickhouse.line) };
    // All at once: each creates what is missing of topics and tables.
    const [api] = await Promise.all([
      start('api', env, '--http-port', '0'),
      start('aggregator', env),
      start('symbolizer', env),
      startCollector(),
    ]);
    server = urlIn(api.line);
    stream = await openKafkaStream({ brokers: kafka.brokers, clientId: 'test' });
  });
  afterAll(async () => {
    workloads?.stop();
    await stream?.close();
    await Promise.all([...services.values()].map((running) => running.stop('SIGKILL')));
    await Promise.all([kafka?.stop(), redis?.stop()]);
    rmSync(data, { recursive: true, force: true });
  });

  it('shows the known shares in the flame graph, the top list and SQL', () => checkShares(server, workloads, 5));

  it('takes = stored + lost', async () => expect(await checkBalance(server)).toBeGreaterThan(500));

  it('reports its node with mode and rung', () => checkNode(server, bestRung()));

  it('puts what it cannot read on the dead topic with the reason, and the partition goes on', async () => {
    const epoch = await newest();
    const headers = encodeProfileHeaders({
      ...{ schema: OTLP_SCHEMA, node: 'other', epoch: '00000000000000ad', epochStart: Date.now(), seq: 1 },
      ...{ sent: Date.now(), taken: 7, lost: {} },
    });
    const producer = await stream.producer();
    await producer.send(TOPICS.profiles, [
      { key: NODE, value: Buffer.from('no profile'), headers: {} },
      { key: NODE, value: Buffer.from([0x0a, 0xff, 0x7f]), headers },
    ]);
    const dead = await readTopic(stream, TOPICS.dead, 2);
    expect(dead.map(({ value }) => [...value!])).toEqual([[...Buffer.from('no profile')], [0x0a, 0xff, 0x7f]]);
    expect(dead[0]!.headers).toMatchObject({ topic: TOPICS.profiles, reason: expect.stringMatching(/^headers: .+/) });
    expect(dead[1]!.headers).toMatchObject({ node: 'other', reason: expect.stringMatching(/.+/) });
    expect(BigInt(dead[1]!.headers['offset']!)).toBeGreaterThan(BigInt(dead[0]!.headers['offset']!));
    await goesOn(epoch, 2);
    // The samples that were in the message are counted as lost.
    await checkBalance(server);
    expect(await epochOf('00000000000000ad')).toMatchObject({ taken: 7, stored: 0, lost_total: 7 });
  });

  it('goes on profiling without Redis, and reports the node again when it is back', async () => {
    const epoch = await newest();
    await redis.stop();
    await waitFor(async () => (await fetch(`${server}/api/v1/nodes`)).status === 503, {
      timeoutMs: 20_000,
      what: 'the API to say that the registry is away',
    });
    await waitFor(() => services.get('collector')!.log().includes('profiling goes on'), {
      timeoutMs: 60_000,
      what: 'the collector to notice that Redis is away',
    });
    await goesOn(epoch, 2);
    redis = await startRedis({ port: redis.port, ...ACCOUNTS });
    await checkNode(server, bestRung());
    await goesOn(epoch, 1);
  });

  it('waits for a broker that went away: profiles on disk, stops, starts again, and nothing is missing', async () => {
    const first = await newest();
    await kafka.kill();
    await waitFor(() => spooled().messages >= 3, { timeoutMs: 60_000, what: 'three messages in the spool' });
    await stop('collector');
    const last = spooled().seq!;
    await startCollector();
    await waitFor(() => spooled().messages >= 8, { timeoutMs: 60_000, what: 'messages of both runs in the spool' });
    await kafka.restart();
    await waitFor(async () => spooled().messages === 0 && (await newest()) !== first, {
      timeoutMs: 120_000,
      what: 'the spool to be sent and the new epoch to be stored',
    });
    await goesOn(await newest(), 2);
    expect((await epochOf(first)).last_seq).toBeGreaterThanOrEqual(last);
    await checkBalance(server);
    await checkShares(server, workloads, 5);
    const { rows } = await sql(server, `SELECT epoch, kind FROM node_events WHERE node = '${NODE}' ORDER BY time`);
    expect(rows.filter(([, kind]) => ['started', 'stopped', 'unclean-exit'].includes(String(kind)))).toEqual([
      [first, 'started'],
      [first, 'stopped'],
      [await newest(), 'started'],
    ]);
  });

  it('stops each service within three seconds of Ctrl-C, and what was taken is stored', async () => {
    const epoch = await newest();
    await stop('collector');
    expect(spooled().messages).toBe(0);
    const { rows } = await sql(server, `SELECT count() FROM node_events`);
    await waitFor(
      async () =>
        (await sql(server, `SELECT 1 FROM node_events WHERE epoch = '${epoch}' AND kind = 'stopped'`)).rows.length > 0,
      { timeoutMs: 20_000, what: `the last event (of ${String(rows[0]![0])} so far)` },
    );
    await checkBalance(server);
    for (const name of ['symbolizer', 'aggregator', 'api', 'clickhouse']) await stop(name);
  });
});
