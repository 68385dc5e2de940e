import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createAggregator } from '@perfleet/aggregator';
import { openStore } from '@perfleet/clickhouse';
import { deadLetterHeaders, encodeProfileHeaders, TOPICS, TOPIC_SPECS, type TopicName } from '@perfleet/messages';
import { createLogger } from '@perfleet/observability';
import { OTLP_SCHEMA } from '@perfleet/otlp';
import { Fleet, nodeMessage } from '@perfleet/simulate';
import { openEmbeddedStream, openKafkaStream, type Stream } from '@perfleet/stream';
import { requireTool, startKafka, tempDir, waitFor, type TestKafka } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runPerfleet } from '../support/perfleet.ts';
import { readTopic } from '../support/read-topic.ts';

const java = requireTool('java');
const topics = (Object.keys(TOPICS) as TopicName[]).map((name) => ({ name: TOPICS[name], ...TOPIC_SPECS[name] }));

interface Letter {
  id: string;
  topic: string;
  partition: number;
  offset: string;
  node: string;
  bytes: number;
  reason: string;
}

const letter = (
  topic: string,
  offset: bigint,
  reason: string,
  value: Uint8Array,
  headers: Record<string, string> = {},
) => ({
  key: 'node-1',
  value,
  headers: deadLetterHeaders({ topic, partition: 3, offset, reason, headers }),
});

for (const kind of ['embedded', 'kafka'] as const) {
  const reason = kind === 'kafka' && !java.available ? ` (skipped: ${java.reason})` : '';
  describe.skipIf(reason)(`perfleet dead on the ${kind} stream${reason}`, () => {
    const dir = tempDir('perfleet-dead-');
    let kafka: TestKafka | null = null;
    let stream: Stream;
    const run = (...args: string[]) =>
      runPerfleet(['dead', ...args, '--data', dir.path], kafka ? { PERFLEET_KAFKA_BROKERS: kafka.brokers.join() } : {});
    const list = async (...args: string[]) => JSON.parse((await run('list', '--json', ...args)).out) as Letter[];

    beforeAll(async () => {
      if (kind === 'kafka') kafka = await startKafka();
      stream = kafka
        ? await openKafkaStream({ brokers: kafka.brokers, clientId: 'test' })
        : await openEmbeddedStream({ path: join(dir.path, 'stream.db') });
      await stream.ensureTopics(topics);
      expect(await run('list')).toMatchObject({ code: 0, out: 'no dead letter\n', err: '' });
      const producer = await stream.producer();
      await producer.send(TOPICS.dead, [
        letter(TOPICS.profiles, 7n, 'headers: seq: Invalid input', Buffer.from([0x0a, 0xff, 0x7f, 0x41]), {
          node: 'n7',
        }),
        letter(TOPICS.symbols, 8n, 'not JSON', Buffer.from('{"kind"')),
        letter('somebody.elses', 9n, 'made up', Buffer.from('x')),
      ]);
    });
    afterAll(async () => {
      await stream?.close();
      await kafka?.stop();
      dir.remove();
    });

    it('lists letters, newest last, those that are asked for', async () => {
      const all = await list();
      expect(all.map((l) => [l.topic, l.partition, l.offset, l.node, l.bytes, l.reason])).toEqual([
        [TOPICS.profiles, 3, '7', 'n7', 4, 'headers: seq: Invalid input'],
        [TOPICS.symbols, 3, '8', 'node-1', 7, 'not JSON'],
        ['somebody.elses', 3, '9', 'node-1', 1, 'made up'],
      ]);
      expect((await list('--topic', 'profiles', '--from', 'now-1h')).map(({ offset }) => offset)).toEqual(['7']);
      expect((await run('list', '--limit', '2')).err).toContain('the newest 2 of 3');
    });

    it('shows one with its headers, its bytes and what a reader makes of them', async () => {
      const [profiles, symbols] = await list();
      const { out } = await run('show', profiles!.id);
      expect(out).toContain('headers: seq: Invalid input');
      expect(out).toContain('  node: n7');
      expect(out).toContain('cannot be decoded as OTLP profiles: ');
      expect(out).toContain('00000000  0a ff 7f 41                                      |...A|');
      if (kind === 'kafka') return;
      const shown = JSON.parse((await run('show', symbols!.id, '--json')).out) as { body: string; summary: string };
      expect(Buffer.from(shown.body, 'base64').toString()).toBe('{"kind"');
      expect(shown.summary).toMatch(/^cannot be read: /);
      const absent = await run('show', '0:999');
      expect([absent.code, absent.err]).toEqual([1, expect.stringContaining('there is no dead letter 0:999')]);
    });

    it('replays the bytes as they were, on their topic only, and asks before', async () => {
      const [profiles, , stray] = await list();
      expect((await run('replay', profiles!.id)).err).toMatch(/say --yes/);
      expect((await run('replay', stray!.id, '--yes')).err).toMatch(/come from no topic of this fleet/);
      expect(await readTopic(stream, TOPICS.profiles)).toEqual([]);
      const { code, out } = await run('replay', '--topic', 'profiles', '--yes');
      expect([code, out]).toEqual([0, `1 messages are published again on ${TOPICS.profiles}\n`]);
      const [again] = await readTopic(stream, TOPICS.profiles, 1);
      expect([...again!.value!]).toEqual([0x0a, 0xff, 0x7f, 0x41]);
      expect(Buffer.from(again!.key!).toString()).toBe('node-1');
      expect(again!.headers).toEqual({ node: 'n7' });
    });
  });
}

describe('a message that is replayed twice', () => {
  it('is stored once', async () => {
    const dir = tempDir('perfleet-replay-');
    const logger = createLogger('test', { level: 'silent' });
    const stream = await openEmbeddedStream({ path: join(dir.path, 'stream.db') });
    const store = await openStore({ kind: 'embedded', path: join(dir.path, 'clickhouse') });
    const aggregator = createAggregator({ stream, store, topicPrefix: '', logger, flushMs: 50 });
    try {
      await stream.ensureTopics(topics);
      await aggregator.start();
      const fleet = new Fleet({ seed: 1, nodes: 1, pods: 1, services: 1, stacksPerService: 20, samplesPerWindow: 9 });
      const { body, samples } = nodeMessage(fleet, fleet.pods, 0, Math.floor(Date.now() / 1000), 1);
      const epoch = randomUUID().replaceAll('-', '').slice(0, 16);
      const headers = encodeProfileHeaders({
        ...{ schema: OTLP_SCHEMA, node: 'node-1', epoch, epochStart: Date.now(), seq: 1 },
        ...{ sent: Date.now(), taken: samples, lost: {} },
      });
      await (await stream.producer()).send(TOPICS.dead, [letter(TOPICS.profiles, 1n, 'a mistake', body, headers)]);
      for (const times of [1, 2]) {
        const { code, err } = await runPerfleet(['dead', 'replay', '--reason', 'mistake', '--yes', '--data', dir.path]);
        expect(code, err).toBe(0);
        const stored = () => store.query(`SELECT messages, duplicates, gaps, stored, balance FROM deliveries`);
        const expected = { messages: String(times), duplicates: String(times - 1), gaps: '0', balance: '0' };
        const rows = await waitFor(
          async () => {
            const found = await stored();
            return String(found[0]?.['messages']) === String(times) && found;
          },
          { timeoutMs: 20_000, what: `delivery ${times}` },
        );
        expect(rows).toEqual([{ ...expected, stored: String(samples) }]);
      }
      expect(await store.query('SELECT toUInt32(sum(intDiv(value, 52631578))) AS samples FROM samples')).toEqual([
        { samples },
      ]);
    } finally {
      await aggregator.stop();
      await store.close();
      await stream.close();
      dir.remove();
    }
  });
});
