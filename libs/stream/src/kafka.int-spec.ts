import { randomBytes, randomUUID } from 'node:crypto';
import { freePort, requireTool, startKafka, waitFor, type TestKafka } from '@perfleet/testing';
import { CompressionCodecs, CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { streamConformance } from './conformance.ts';
import { StaleAssignmentError } from './errors.ts';
import { GroupMember } from './kafka/group-member.ts';
import { openCluster } from './kafka/internals.ts';
import { openKafkaStream, type KafkaStream } from './kafka/kafka-stream.ts';
import type { ConsumerOptions, StreamMessage } from './stream.ts';

const java = requireTool('java');

describe.skipIf(!java.available)(`Kafka${java.reason && ` (skipped: ${java.reason})`}`, () => {
  let kafka: TestKafka;
  let stream: KafkaStream;

  beforeAll(async () => {
    kafka = await startKafka();
    stream = await openKafkaStream({ brokers: kafka.brokers, clientId: 'spec' });
  });
  afterAll(async () => {
    await stream?.close();
    await kafka?.stop();
  });

  streamConformance('Kafka', async () => ({
    open: () => openKafkaStream({ brokers: kafka.brokers, clientId: 'conformance' }),
    deleteTopic: async (target, topic) => (target as KafkaStream).admin.deleteTopics({ topics: [topic] }),
    close: async () => undefined,
  }));

  const makeTopic = async (partitions = 1) => {
    const topic = `t-${randomUUID()}`;
    await stream.ensureTopics([{ name: topic, partitions, retentionMs: 3_600_000, compacted: false }]);
    return topic;
  };
  const send = async (topic: string, values: readonly string[]) => {
    const producer = await stream.producer();
    await producer.send(
      topic,
      values.map((value) => ({ key: value, value: Buffer.from(value) })),
    );
    await producer.close();
  };
  const read = async (topic: string, more: Partial<ConsumerOptions> = {}) => {
    const seen: StreamMessage[] = [];
    const consumer = stream.consumer({
      group: randomUUID(),
      topics: [topic],
      open: () => ({ onBatch: async ({ messages }) => void seen.push(...messages) }),
      ...more,
    });
    await consumer.start();
    return { seen, consumer };
  };

  it('sets what a topic is created with, and compresses with zstd', async () => {
    const topic = await makeTopic();
    const { resources } = await stream.admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: 2, name: topic }],
    });
    const settings = Object.fromEntries(resources[0]!.configEntries.map((e) => [e.configName, e.configValue]));
    expect(settings).toMatchObject({
      'retention.ms': '3600000',
      'cleanup.policy': 'delete',
      'message.timestamp.type': 'LogAppendTime',
      'min.insync.replicas': '1',
    });
  });

  it('counts what was removed before it was read', async () => {
    const topic = await makeTopic();
    await send(topic, ['a', 'b', 'c']);
    await stream.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] });
    const group = randomUUID();
    const external = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin();
    await external.connect();
    await external.setOffsets({ groupId: group, topic, partitions: [{ partition: 0, offset: '0' }] });
    await external.disconnect();
    const skipped: unknown[] = [];
    const { seen, consumer } = await read(topic, { group, onSkipped: (...args) => skipped.push(args) });
    await waitFor(() => seen.length === 1, { timeoutMs: 20_000, what: 'the message that is left' });
    expect(skipped).toEqual([[topic, 0, 0n, 2n]]);
    await consumer.stop();
  });

  it('reports a codec that it does not have and goes on with the other partitions', async () => {
    const [bad, good] = [await makeTopic(), await makeTopic()];
    const client = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING });
    const foreign = client.producer({ createPartitioner: () => () => 0 });
    await foreign.connect();
    await foreign.send({ topic: bad, compression: CompressionTypes.GZIP, messages: [{ value: 'x' }] });
    await foreign.disconnect();
    // Nothing here writes lz4, and brokers check what they are sent; gzip is refused for a moment in its place.
    const gzip = CompressionCodecs[CompressionTypes.GZIP];
    CompressionCodecs[CompressionTypes.GZIP] = CompressionCodecs[CompressionTypes.LZ4]!;
    await send(good, ['fine']);
    const errors: string[] = [];
    const { seen, consumer } = await read(bad, { topics: [bad, good], onError: (error) => errors.push(error.message) });
    await waitFor(() => seen.length === 1 && errors.length > 1, {
      timeoutMs: 20_000,
      what: 'the good partition and two reports',
    });
    expect(seen[0]!.topic).toBe(good);
    expect(errors[0]).toMatch(
      new RegExp(`cannot fetch ${bad}/0 at offset 0: lz4 is not supported; let producers send zstd`),
    );
    // Nothing was skipped: once it can be read, it comes.
    CompressionCodecs[CompressionTypes.GZIP] = gzip!;
    await waitFor(() => seen.length === 2, { timeoutMs: 40_000, what: 'the batch that was refused' });
    await consumer.stop();
  });

  it('refuses a commit of the generation before, at the broker', async () => {
    const topic = await makeTopic();
    const group = randomUUID();
    const kafkajs = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING });
    const open = async () => {
      const cluster = openCluster(kafkajs, group);
      await cluster.connect();
      await cluster.addMultipleTargetTopics([topic]);
      return { cluster, member: new GroupMember(cluster, group, [topic]) };
    };
    const [a, b] = [await open(), await open()];
    const before = await a.member.join();
    await a.member.commit(before, topic, 0, 0n, 'before');
    // The other member's join ends the generation; this one hears of it from its heartbeat and joins again.
    const joining = b.member.join();
    await waitFor(async () => !(await a.member.heartbeat(before)), { timeoutMs: 20_000, what: 'the rebalance' });
    const [after] = await Promise.all([a.member.join(), joining]);
    expect(after.id).toBeGreaterThan(before.id);
    await expect(a.member.commit(before, topic, 0, 1n, 'late')).rejects.toThrow(StaleAssignmentError);
    const owner = after.assigned.length > 0 ? { of: a, generation: after } : { of: b, generation: await joining };
    expect((await owner.of.member.committed(owner.generation)).get(`${topic}/0`)).toEqual({
      offset: 0n,
      metadata: 'before',
    });
    await Promise.all([a, b].map(async ({ member, cluster }) => (await member.leave(), await cluster.disconnect())));
  });

  it('waits out a broker that stands still', async () => {
    const topic = await makeTopic();
    const { seen, consumer } = await read(topic);
    await send(topic, ['before']);
    await waitFor(() => seen.length === 1, { timeoutMs: 20_000, what: 'the first message' });
    kafka.pause();
    const late = send(topic, ['after']);
    setTimeout(() => kafka.resume(), 3000);
    await late;
    await waitFor(() => seen.length === 2, { timeoutMs: 40_000, what: 'the message sent meanwhile' });
    expect(seen.map((m) => m.offset)).toEqual([0n, 1n]);
    await consumer.stop();
  });

  it('splits a send that one record batch cannot hold', async () => {
    const topic = await makeTopic();
    const values = Array.from({ length: 5 }, () => ({
      key: 'k',
      value: randomBytes(600_000),
    }));
    const producer = await stream.producer();
    await producer.send(topic, values);
    const { seen, consumer } = await read(topic);
    await waitFor(() => seen.length === 5, { timeoutMs: 20_000, what: 'five large messages' });
    for (const [i, { value }] of values.entries()) expect(Buffer.compare(seen[i]!.value!, value)).toBe(0);
    await consumer.stop();
  });

  it('names the brokers when none answers', async () => {
    const broker = `127.0.0.1:${await freePort()}`;
    await expect(openKafkaStream({ brokers: [broker], clientId: 'c' })).rejects.toThrow(
      new RegExp(`cannot reach Kafka at ${broker}: .*check that the addresses`),
    );
  });
});
