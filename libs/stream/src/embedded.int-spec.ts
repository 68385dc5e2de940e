import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { streamConformance } from './conformance.ts';
import { EmbeddedStream, openEmbeddedStream } from './embedded/embedded-stream.ts';
import { partitionOf } from './embedded/partitioner.ts';

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
    stream.db.clean(Date.now() + 10_000);
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
    stream.db.clean(Date.now());
    expect(stream.db.read('t', 0, 0, 1e6).map((m) => Buffer.from(m.value!).toString())).toEqual(['1', '2']);
    await stream.close();
  });

  it('fails with the path when the file cannot be opened', async () => {
    await expect(openEmbeddedStream({ path: '/nonexistent/dir/log.db' })).rejects.toThrow(
      /\/nonexistent\/dir\/log\.db/,
    );
  });

  it('places keys as Kafka does', () => {
    // Partitions of 3 that org.apache.kafka.clients.producer's default partitioner gives (murmur2 vectors of its own tests).
    expect([21, 'foobar'].map((key) => partitionOf(Buffer.from(String(key)), 1000))).toEqual(
      [-973932308 & 0x7fffffff, -790332482 & 0x7fffffff].map((h) => h % 1000),
    );
  });
});
