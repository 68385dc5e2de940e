import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, RowBinaryBlock, TABLES, type Store } from '@perfleet/clickhouse';
import { nativeFrameId } from '@perfleet/ids';
import { TOPIC_SPECS } from '@perfleet/messages';
import { createLogger } from '@perfleet/observability';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AGGREGATOR_GROUP } from './aggregator.controller.ts';
import { createAggregator, type Aggregator } from './index.ts';
import {
  attributedBody,
  BUILD_ID,
  knownBody,
  KNOWN_COUNT,
  LINKED_COUNT,
  PERIOD,
  profileMessage,
  readAll,
  SPANS,
  topics,
  TRACE,
  withRefusedCommit,
  type ResourceAttributes,
} from './fixtures.ts';

const directory = mkdtempSync(join(tmpdir(), 'aggregator-spec-'));
const logger = createLogger('test', { level: 'error' });
const NOW = Math.floor(Date.now() / 1000) - 10;
const FULL = KNOWN_COUNT * PERIOD;
const LINKED = LINKED_COUNT * PERIOD;
let store: Store;
let stream: Stream;
let prefix = '';
let round = 0;

beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path: join(directory, 'clickhouse') });
  stream = await openEmbeddedStream({ path: join(directory, 'stream.db') });
});
afterAll(async () => {
  await stream?.close();
  await store?.close();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  prefix = `r${++round}-`;
  for (const table of [
    ...['samples', 'linked_samples', 'samples_10m', 'samples_1d', 'series', 'workloads', 'stacks', 'frames', 'symbols'],
    ...['delivery_log', 'node_event_log'],
  ]) {
    await store.command(`TRUNCATE TABLE ${table}`);
  }
});

const make = (over: Partial<Parameters<typeof createAggregator>[0]> = {}) =>
  createAggregator({ stream, store, topicPrefix: prefix, logger, cluster: 'c', flushMs: 50, ...over });

async function send(topic: string, ...messages: ReturnType<typeof profileMessage>[]) {
  const producer = await stream.producer();
  await producer.send(topic, messages);
  await producer.close();
}

async function running(aggregator: Aggregator, work: () => Promise<void>) {
  await aggregator.start();
  try {
    await work();
  } finally {
    await aggregator.stop();
  }
}

const value = async (sql: string) => Number(Object.values((await store.query(sql))[0] ?? {})[0]);
const logged = () => value('SELECT count() FROM delivery_log');
const arrive = (n: number) => expect.poll(logged, { timeout: 20_000 }).toBe(n);

describe('aggregator', () => {
  it('turns a known profile into exact rows, and names them when symbols come', async () => {
    await running(make(), async () => {
      await send(topics(prefix).profiles, profileMessage({ taken: KNOWN_COUNT }, knownBody(NOW)));
      await arrive(1);
      expect(await value('SELECT toUnixTimestamp(window_start) FROM delivery_log')).toBe(NOW);
      const rows = () =>
        store.query(
          `SELECT toUnixTimestamp(time) AS t, cluster, node, namespace, container, service, process, type, value, frames FROM profiles ORDER BY time, value`,
        );
      const labels = {
        cluster: 'c',
        node: 'n1',
        namespace: 'shop',
        container: 'web',
        service: 'web',
        process: 'python3',
        type: 'cpu',
      };
      expect(await rows()).toEqual([
        { t: NOW, ...labels, value: String(2 * PERIOD), frames: ['libapp+0x1000'] },
        { t: NOW, ...labels, value: String(3 * PERIOD), frames: ['libapp+0x1000', 'libapp+0x2000', 'handler'] },
        { t: NOW + 1, ...labels, value: String(PERIOD), frames: ['libapp+0x1000', '[unknown]'] },
      ]);
      expect(
        await store.query(
          'SELECT toUnixTimestamp(time) AS t, trace_id, span_id, service, value, length(frames) AS depth FROM spans ORDER BY span_id',
        ),
      ).toEqual(
        [2, 1].map((count, i) => {
          return {
            t: NOW,
            trace_id: TRACE,
            span_id: SPANS[i],
            service: 'web',
            value: String(count * PERIOD),
            depth: '3',
          };
        }),
      );
      const symbols = {
        binaryId: `gnu:${BUILD_ID}`,
        kind: 'native',
        frames: [
          { address: '1000', quality: 3, chain: [['main', 'main.c', 1]] },
          {
            address: '2000',
            quality: 3,
            chain: [
              ['inlined', 'w.h', 4],
              ['main', 'main.c', 9],
            ],
          },
        ],
      };
      await send(topics(prefix).symbols, { key: 'k', value: Buffer.from(JSON.stringify(symbols)) });
      await expect.poll(() => value('SELECT count() FROM symbols'), { timeout: 20_000 }).toBe(2);
      expect((await store.query("SELECT frame FROM symbols WHERE functions = ['main']"))[0]).toEqual({
        frame: String(nativeFrameId('native', `gnu:${BUILD_ID}`, 0x1000n)),
      });
      expect((await rows()).map((r) => r['frames'])).toEqual([
        ['main'],
        ['main', 'main', 'inlined', 'handler'],
        ['main', '[unknown]'],
      ]);
      const functions = await store.query(
        'SELECT function, file, binary, sum(self) AS self, sum(total) AS total FROM functions GROUP BY ALL ORDER BY total DESC, function',
      );
      expect(functions).toEqual([
        { function: 'main', file: 'main.c', binary: '/opt/bin/libapp', self: String(2 * PERIOD), total: String(FULL) },
        { function: 'handler', file: 'app.py', binary: '', self: String(3 * PERIOD), total: String(3 * PERIOD) },
        { function: 'inlined', file: 'w.h', binary: '/opt/bin/libapp', self: '0', total: String(3 * PERIOD) },
        { function: '[unknown]', file: '', binary: '[unknown]', self: String(PERIOD), total: String(PERIOD) },
      ]);
      expect(await value('SELECT count() FROM series')).toBe(1);
    });
  });

  it('doubles nothing when it dies between the insert and the commit', async () => {
    const killed = make({
      stream: withRefusedCommit(stream, (a, metadata) => a.topic === topics(prefix).profiles && metadata === ''),
      flushMs: 50,
    });
    await killed.start();
    await send(
      topics(prefix).profiles,
      profileMessage({ taken: KNOWN_COUNT }, knownBody(NOW)),
      profileMessage({ seq: 2, taken: 2 * KNOWN_COUNT }, knownBody(NOW)),
    );
    await arrive(2);
    await expect.poll(() => killed.stats().errors, { timeout: 20_000 }).toBeGreaterThan(0);
    await killed.stop();
    await running(make(), async () => {
      await send(topics(prefix).profiles, profileMessage({ seq: 3, taken: 3 * KNOWN_COUNT }, knownBody(NOW)));
      await arrive(3);
    });
    for (const table of ['samples', 'samples_10m', 'samples_1d'])
      expect(await value(`SELECT sum(value) FROM ${table}`)).toBe(3 * FULL);
    expect(await value('SELECT sum(value) FROM linked_samples')).toBe(3 * LINKED);
    expect(await store.query('SELECT messages, duplicates, stored, balance FROM deliveries')).toEqual([
      { messages: '3', duplicates: '0', stored: String(3 * KNOWN_COUNT), balance: '0' },
    ]);
  });

  it('replays exactly the stored range after the process is gone, whatever came later', async () => {
    let writes = 0;
    const dying: Store = new Proxy(store, {
      get: (target, property) => {
        if (property === 'insert') {
          return async (...args: Parameters<Store['insert']>) => {
            if (args[0] === 'delivery_log' && writes++ >= 0) throw new Error('killed before the deliveries');
            return target.insert(...args);
          };
        }
        const member = Reflect.get(target, property, target) as unknown;
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      },
    });
    const first = make({ store: dying });
    await first.start();
    await send(topics(prefix).profiles, profileMessage({ taken: KNOWN_COUNT }, knownBody(NOW)));
    await expect.poll(() => first.stats().errors, { timeout: 20_000 }).toBeGreaterThan(0);
    await first.stop().catch(() => undefined);
    expect(await value('SELECT sum(value) FROM samples')).toBe(FULL);
    expect(await value('SELECT sum(value) FROM linked_samples')).toBe(LINKED);
    await send(topics(prefix).profiles, profileMessage({ seq: 2, taken: 2 * KNOWN_COUNT }, knownBody(NOW)));
    await running(make(), () => arrive(2));
    expect(await value('SELECT sum(value) FROM samples')).toBe(2 * FULL);
    expect(await value('SELECT sum(value) FROM linked_samples')).toBe(2 * LINKED);
  });

  it('doubles nothing that a version which made its tokens of whole bodies had begun', async () => {
    const topic = topics(prefix).profiles;
    await stream.ensureTopics([{ name: topic, ...TOPIC_SPECS.profiles }]);
    await send(topic, profileMessage({ taken: KNOWN_COUNT }, knownBody(NOW)));
    const begun = Promise.withResolvers<string>();
    const before = stream.consumer({
      group: `${prefix}${AGGREGATOR_GROUP}`,
      topics: [topic],
      open: (assignment) => ({
        async onBatch({ messages: [message] }) {
          const { offset, timestamp, value: body } = message!;
          await assignment.commit(offset, JSON.stringify({ from: String(offset), to: String(offset + 1n) }));
          const content = createHash('sha256').update(`${offset}:${timestamp}:${body!.byteLength}:`).update(body!);
          const of = ['samples', topic, assignment.topicId, assignment.partition, String(offset), String(offset + 1n)];
          begun.resolve(JSON.stringify([...of, content.digest('hex')]));
        },
      }),
    });
    await before.start();
    const token = createHash('sha256')
      .update(await begun.promise)
      .digest('hex');
    await before.stop();
    // It died when it had some samples in the store, and no delivery.
    const row = new RowBinaryBlock().dateTime(NOW).u64(1n).u64(2n).u64(3n).u64(BigInt(FULL)).row();
    await store.insert('samples', TABLES.samples, row, token);
    await running(make(), () => arrive(1));
    for (const table of ['samples', 'samples_10m', 'samples_1d'])
      expect(await value(`SELECT sum(value) FROM ${table}`)).toBe(FULL);
    expect(await value('SELECT count() FROM samples')).toBe(1);
  });

  it('sends what it cannot read to dead, goes on, and counts the loss', async () => {
    const body = knownBody(NOW);
    await running(make(), async () => {
      await send(
        topics(prefix).profiles,
        profileMessage({ seq: 1, taken: KNOWN_COUNT }, body),
        profileMessage({ seq: 2, taken: 2 * KNOWN_COUNT }, body.subarray(0, body.length - 7)),
        { key: 'n1', value: body, headers: { node: 'n1' } },
        profileMessage({ seq: 3, taken: 3 * KNOWN_COUNT + 4, lost: { 'map-full': 4 } }, body),
        profileMessage({ seq: 3, taken: 3 * KNOWN_COUNT + 4, lost: { 'map-full': 4 } }, body),
      );
      await arrive(4);
    });
    expect(await value('SELECT sum(value) FROM samples')).toBe(2 * FULL);
    const dead = await readAll(stream, topics(prefix).dead);
    expect(dead.map((m) => [m.headers['topic'], m.headers['offset'], m.headers['node']])).toEqual([
      [topics(prefix).profiles, '1', 'n1'],
      [topics(prefix).profiles, '2', 'n1'],
    ]);
    expect(dead[1]!.headers['reason']).toMatch(/^headers: /);
    expect(
      await store.query(
        'SELECT node, messages, first_seq, last_seq, gaps, duplicates, taken, stored, lost, lost_total, balance FROM deliveries',
      ),
    ).toEqual([
      {
        node: 'n1',
        messages: '4',
        first_seq: '1',
        last_seq: '3',
        gaps: '0',
        duplicates: '1',
        taken: String(3 * KNOWN_COUNT + 4),
        stored: String(2 * KNOWN_COUNT),
        lost: { 'map-full': '4', undecodable: String(KNOWN_COUNT) },
        lost_total: String(4 + KNOWN_COUNT),
        balance: '0',
      },
    ]);
  });

  it('takes a dead letter that is published again for the message, and once', async () => {
    const body = knownBody(NOW);
    const cut = body.subarray(0, body.length - 7);
    const second = { seq: 2, taken: 2 * KNOWN_COUNT };
    const delivered = () =>
      store.query('SELECT messages, duplicates, gaps, stored, lost, balance FROM deliveries').then(([row]) => row);
    await running(make(), async () => {
      await send(topics(prefix).profiles, profileMessage({ taken: KNOWN_COUNT }, body), profileMessage(second, cut));
      await send(topics(prefix).profiles, profileMessage(second, cut));
      await arrive(3);
      const lost = { undecodable: String(KNOWN_COUNT) };
      expect(await delivered()).toMatchObject({ stored: String(KNOWN_COUNT), lost, balance: '0', gaps: '0' });
      // One block with another of the same number, and one behind it.
      await send(topics(prefix).profiles, profileMessage(second, body), profileMessage(second, body));
      await arrive(5);
      await send(topics(prefix).profiles, profileMessage(second, body));
      await arrive(6);
    });
    const whole = { stored: String(2 * KNOWN_COUNT), lost: {}, balance: '0', gaps: '0' };
    expect(await delivered()).toEqual({ messages: '4', duplicates: '2', ...whole });
    expect(await value('SELECT sum(value) FROM samples')).toBe(2 * FULL);
    for (const table of ['samples_10m', 'samples_1d'])
      expect(await value(`SELECT sum(value) FROM ${table}`)).toBe(2 * FULL);
  });

  it('shows a message that never came as a gap and a balance', async () => {
    await running(make(), async () => {
      await send(
        topics(prefix).profiles,
        profileMessage({ seq: 1, taken: KNOWN_COUNT }, knownBody(NOW)),
        profileMessage({ seq: 3, taken: 3 * KNOWN_COUNT }, knownBody(NOW)),
      );
      await arrive(2);
    });
    expect(await store.query('SELECT gaps, balance FROM deliveries')).toEqual([
      { gaps: '1', balance: String(KNOWN_COUNT) },
    ]);
  });

  it('shifts the times of a node whose clock is wrong', async () => {
    await running(make(), async () => {
      await send(
        topics(prefix).profiles,
        profileMessage({ taken: KNOWN_COUNT, sent: Date.now() - 3_600_000 }, knownBody(NOW - 3600)),
      );
      await arrive(1);
    });
    expect(Math.abs((await value('SELECT toUnixTimestamp(min(time)) FROM samples')) - NOW)).toBeLessThan(10);
    expect(await value('SELECT abs(skew_ms - 3600000) FROM deliveries')).toBeLessThan(10_000);
  });

  it('takes times that lie years apart to the nearest that can be true, and goes on', async () => {
    const days = Array.from({ length: 300 }, (_, n) => NOW - n * 10 * 86_400);
    const ahead = [NOW + 50 * 365 * 86_400, 1];
    const message = (time: number, i: number) =>
      profileMessage({ seq: i + 1, taken: KNOWN_COUNT * (i + 1) }, knownBody(time));
    const aggregator = make({ flushMs: 300 });
    const node = (time: number) => ({ time, node: 'n1', epoch: '00000000000000aa', kind: 'started', message: '' });
    const events = days.map((day) => ({ key: 'n1', value: Buffer.from(JSON.stringify(node(day * 10_000))) }));
    await running(aggregator, async () => {
      await send(topics(prefix).profiles, ...[...days, ...ahead].map(message));
      await send(topics(prefix).events, ...events);
      await arrive(302);
      await expect.poll(() => value('SELECT count() FROM node_event_log'), { timeout: 20_000 }).toBe(300);
    });
    expect(await value('SELECT sum(value) FROM profiles')).toBe(302 * FULL);
    expect(await value('SELECT count() FROM profiles WHERE time < now() - INTERVAL 14 DAY')).toBe(0);
    expect(await value('SELECT count() FROM profiles WHERE time > now() + INTERVAL 61 MINUTE')).toBe(0);
    expect(aggregator.stats()).toMatchObject({ errors: 0, dead: 0 });
    expect(aggregator.stats().clamped).toBeGreaterThan(1000);
  });

  it('keeps node events, and each node shows its last state', async () => {
    const event = (time: number, mode: string) => ({
      key: 'n1',
      value: Buffer.from(
        JSON.stringify({
          time,
          node: 'n1',
          epoch: 'e',
          kind: 'mode-changed',
          message: mode,
          state: {
            node: 'n1',
            epoch: 'e',
            startedAt: 1,
            updatedAt: time,
            mode,
            fallback: mode !== 'pods',
            modeReason: 'r',
            rung: 1,
            rungReason: '',
            rateHz: 19,
          },
        }),
      ),
    });
    await running(make(), async () => {
      await send(
        topics(prefix).events,
        event(NOW * 1000, 'pods'),
        { key: 'n1', value: Buffer.from('{') },
        event(NOW * 1000 + 5, 'whole-system'),
      );
      await expect.poll(() => value('SELECT count() FROM node_events'), { timeout: 20_000 }).toBe(2);
      expect(await store.query('SELECT node, cluster, mode, fallback, rung FROM nodes')).toEqual([
        { node: 'n1', cluster: 'c', mode: 'whole-system', fallback: 1, rung: 1 },
      ]);
    });
    expect(await readAll(stream, topics(prefix).dead)).toHaveLength(1);
  });

  it('keeps changes of alerts in their order, and their history once', async () => {
    const change = (of: object) => ({
      key: 'alerts',
      value: Buffer.from(JSON.stringify({ item: 'silence', body: '', ...of })),
    });
    const told = { time: 5000, alert: 'x', kind: 'fallback', node: 'n1', cluster: 'c', what: 'acknowledged' };
    const history = change({ item: 'history', id: 'h', body: JSON.stringify({ ...told, detail: ' by me' }) });
    await running(make(), async () => {
      await send(
        topics(prefix).alerts,
        ...[change({ id: 's', body: '{"a":1}' }), history, change({ id: 's', body: '{"a":2}' }), history],
        ...[change({ id: '' }), change({ id: 's', removed: true })],
      );
      await expect.poll(() => value('SELECT count() FROM alert_change_log'), { timeout: 20_000 }).toBe(5);
    });
    expect(
      await store.query(`SELECT body, removed FROM alert_change_log WHERE item = 'silence' ORDER BY time, \`offset\``),
    ).toEqual([
      { body: '{"a":1}', removed: 0 },
      { body: '{"a":2}', removed: 0 },
      { body: '', removed: 1 },
    ]);
    expect(await store.query('SELECT toUnixTimestamp(time) AS t, node, what, detail FROM alert_history')).toEqual([
      { t: 5, node: 'n1', what: 'acknowledged', detail: ' by me' },
    ]);
    expect(await readAll(stream, topics(prefix).dead)).toHaveLength(1);
  });

  it('covers: every sample is a pod’s, a container’s, the host’s, nothing’s or lost, minute by minute', async () => {
    await running(make(), async () => {
      const minute = Math.floor(NOW / 60) * 60;
      const bodies: Array<[ResourceAttributes, number]> = [
        [
          [
            ['k8s.pod.uid', 'u1'],
            ['container.id', 'c1'],
          ],
          5,
        ],
        [[['container.id', 'c2']], 4],
        [[['process.executable.name', 'sshd']], 3],
        [
          [
            ['process.executable.name', 'gone'],
            ['perfleet.attribution', 'none'],
          ],
          2,
        ],
        [
          [
            ['k8s.pod.uid', 'u1'],
            ['perfleet.attribution', 'none'],
          ],
          1,
        ],
      ];
      const send2 = (seq: number, lost: number, body: Uint8Array) =>
        send(
          topics(prefix).profiles,
          profileMessage({ node: 'cover', seq, taken: 100, lost: { 'map-full': lost } }, body),
        );
      await send2(1, 7, attributedBody(minute, bodies.slice(0, 3)));
      await send2(2, 7, attributedBody(minute, bodies.slice(3)));
      // A duplicate adds nothing.
      await send2(2, 7, attributedBody(minute, bodies.slice(3)));
      await send2(3, 9, attributedBody(minute + 60, bodies.slice(0, 1)));
      await arrive(4);
      const sums = await store.query(
        `SELECT cluster, node, sum(pod) AS pod, sum(container) AS container, sum(host) AS host, sum(nothing) AS nothing,
           sum(lost) AS lost, sum(taken) AS taken FROM coverage GROUP BY cluster, node HAVING taken != lost`,
      );
      const counts = { pod: '11', container: '4', host: '3', nothing: '2' };
      expect(sums).toMatchObject([{ cluster: 'c', node: 'cover', ...counts }]);
      const all = await store.query(`SELECT sum(lost) AS lost, sum(taken) AS taken FROM coverage WHERE node = 'cover'`);
      expect(all).toEqual([{ lost: '9', taken: '29' }]);
      const pods = `SELECT pod FROM coverage WHERE node = 'cover' AND pod > 0 ORDER BY time`;
      expect(await store.query(pods)).toEqual([{ pod: '6' }, { pod: '5' }]);
    });
  });
});
