import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@perfleet/testing';
import { describe, expect, it } from 'vitest';
import { streamConformance } from './conformance.ts';
import { EmbeddedStream, openEmbeddedStream } from './embedded/embedded-stream.ts';
import { StaleAssignmentError } from './errors.ts';
import { partitionOf } from './partitioner.ts';
import type { PartitionAssignment } from './stream.ts';

streamConformance('embedded log', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'perfleet-log-'));
  return {
    open: () => openEmbeddedStream({ path: join(dir, 'log.db') }),
    deleteTopic: async (stream, topic) => (stream as EmbeddedStream).db.dropTopic(topic),
    close: async () => rmSync(dir, { recursive: true, force: true }),
  };
});

describe('embedded log', () => {
  it('counts what retention removed before it was read', async () => {
    const stream = await openEmbeddedStream({ path: ':memory:' });
    await stream.ensureTopics([{ name: 't', partitions: 1, retentionMs: 1000, compacted: false }]);
    await (
      await stream.producer()
    ).send('t', [
      { key: 'k', value: null },
      { key: 'k', value: null },
    ]);
    await stream.clean(Date.now() + 10_000);
    const skipped = await new Promise((resolve) => {
      void stream
        .consumer({
          group: 'g',
          topics: ['t'],
          open: () => ({ onBatch: async () => undefined }),
          onSkipped: (_topic, _partition, from, to) => resolve([from, to]),
        })
        .start();
    });
    expect(skipped).toEqual([0n, 2n]);
    await stream.close();
  });

  it('compacts to the last message of a key', async () => {
    const stream = await openEmbeddedStream({ path: ':memory:' });
    await stream.ensureTopics([{ name: 't', partitions: 1, retentionMs: -1, compacted: true }]);
    await (
      await stream.producer()
    ).send(
      't',
      ['a', 'b', 'a'].map((key, i) => ({ key, value: Buffer.from(String(i)) })),
    );
    expect(stream.db.read('t', 0, 0, 1e6).map((m) => Buffer.from(m.value!).toString())).toEqual(['1', '2']);
    await stream.close();
  });

  it('fails with the path when the file cannot be opened', async () => {
    await expect(openEmbeddedStream({ path: '/nonexistent/dir/log.db' })).rejects.toThrow(
      /\/nonexistent\/dir\/log\.db/,
    );
  });

  it('gives the group to the process that came last and refuses the other one', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'perfleet-log-'));
    const open = () => openEmbeddedStream({ path: join(dir, 'log.db') });
    const [a, b] = [await open(), await open()];
    await a.ensureTopics([{ name: 't', partitions: 1, retentionMs: -1, compacted: false }]);
    const assigned = { a: [] as PartitionAssignment[], b: [] as PartitionAssignment[] };
    const start = async (stream: EmbeddedStream, list: PartitionAssignment[]) => {
      const consumer = stream.consumer({
        group: 'g',
        topics: ['t'],
        open: (assignment) => (list.push(assignment), { onBatch: async () => undefined }),
      });
      await consumer.start();
      return consumer;
    };
    await start(a, assigned.a);
    await assigned.a[0]!.commit(0n, 'a');
    const second = await start(b, assigned.b);
    await expect(assigned.a[0]!.commit(0n, 'late')).rejects.toThrow(StaleAssignmentError);
    await assigned.b[0]!.commit(0n, 'b');
    expect(assigned.b[0]!.committed?.metadata).toBe('a');
    await second.stop();
    await waitFor(() => assigned.a.length === 2, {
      timeoutMs: 20_000,
      what: 'the first process to have the group again',
    });
    expect(assigned.a[1]!.committed?.metadata).toBe('b');
    await Promise.all([a.close(), b.close()]);
    rmSync(dir, { recursive: true, force: true });
  });

  it('calls onIdle although a neighbouring topic never rests', async () => {
    const stream = await openEmbeddedStream({ path: ':memory:' });
    await stream.ensureTopics(
      ['quiet', 'busy'].map((name) => ({ name, partitions: 1, retentionMs: -1, compacted: false })),
    );
    const producer = await stream.producer();
    await producer.send('quiet', [{ key: 'k', value: null }]);
    const noise = setInterval(() => void producer.send('busy', [{ key: 'k', value: null }]), 10);
    await new Promise<void>((resolve) => {
      const consumer = stream.consumer({
        group: 'g',
        topics: ['quiet'],
        idleMs: 60,
        open: () => ({ onBatch: async () => undefined, onIdle: async () => resolve() }),
      });
      void consumer.start();
    });
    clearInterval(noise);
    await stream.close();
  });

  it('places keys as Kafka does', () => {
    // Partitions of 3 that org.apache.kafka.clients.producer's default partitioner gives (murmur2 vectors of its own tests).
    expect([21, 'foobar'].map((key) => partitionOf(Buffer.from(String(key)), 1000))).toEqual(
      [-973932308 & 0x7fffffff, -790332482 & 0x7fffffff].map((h) => h % 1000),
    );
  });
});
