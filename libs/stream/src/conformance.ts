import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StaleAssignmentError } from './errors.ts';
import type { PartitionAssignment, Stream, StreamBatch, StreamConsumer, StreamMessage } from './stream.ts';

export interface ConformanceTarget {
  /** A new connection to the same log. */
  open(): Promise<Stream>;
  deleteTopic(stream: Stream, topic: string): Promise<void>;
  close(): Promise<void>;
}

const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString());
const body = (value: string) => Buffer.from(value);

/** What every adapter of `Stream` must do; run against each. `makeTarget` starts the real thing. */
export function streamConformance(name: string, makeTarget: () => Promise<ConformanceTarget>): void {
  describe(`stream conformance: ${name}`, () => {
    let target: ConformanceTarget;
    let stream: Stream;
    const consumers: StreamConsumer[] = [];

    beforeAll(async () => {
      target = await makeTarget();
      stream = await target.open();
    });
    afterAll(async () => {
      await Promise.all(consumers.map((consumer) => consumer.stop()));
      await stream.close();
      await target.close();
    });

    const makeTopic = async (partitions = 1) => {
      const topic = `t-${randomUUID()}`;
      await stream.ensureTopics([{ name: topic, partitions, retentionMs: 3_600_000, compacted: false }]);
      return topic;
    };
    const send = async (
      topic: string,
      messages: Array<{ key: string | null; value: Uint8Array | null; headers?: Record<string, string> }>,
    ) => {
      const producer = await stream.producer();
      await producer.send(topic, messages);
      await producer.close();
    };
    /** Starts a consumer that collects messages; `onBatch` may throw or commit. */
    const collect = async (
      topic: string,
      group: string,
      onBatch: (batch: StreamBatch) => Promise<void> | void = () => undefined,
    ) => {
      const seen: StreamMessage[] = [];
      const assignments: PartitionAssignment[] = [];
      const waiters = new Set<() => void>();
      const consumer = stream.consumer({
        group,
        topics: [topic],
        idleMs: 50,
        open: (assignment) => {
          assignments.push(assignment);
          for (const wake of waiters) wake();
          return {
            onBatch: async (batch) => {
              await onBatch(batch);
              seen.push(...batch.messages);
              for (const wake of waiters) wake();
            },
          };
        },
      });
      consumers.push(consumer);
      await consumer.start();
      const until = (condition: () => boolean) =>
        new Promise<void>((resolve, reject) => {
          const timer = setTimeout(
            () => reject(new Error(`not reached; saw ${seen.length} messages, ${assignments.length} assignments`)),
            60_000,
          );
          const check = () => {
            if (!condition()) return;
            clearTimeout(timer);
            waiters.delete(check);
            resolve();
          };
          waiters.add(check);
          check();
        });
      return { consumer, seen, assignments, until };
    };

    it('keeps binary keys, values, headers and the order of one key', async () => {
      const topic = await makeTopic(4);
      const value = Uint8Array.from({ length: 256 }, (_, i) => i);
      await send(topic, [
        { key: 'k', value, headers: { seq: '1' } },
        { key: 'k', value: null },
        { key: 'k', value: body('third') },
      ]);
      const reader = await collect(topic, randomUUID());
      await reader.until(() => reader.seen.length === 3);
      expect(reader.seen.map((m) => m.offset)).toEqual([0n, 1n, 2n]);
      expect(new Set(reader.seen.map((m) => m.partition)).size).toBe(1);
      expect([...reader.seen[0]!.value!]).toEqual([...value]);
      expect(reader.seen[0]!.headers).toEqual({ seq: '1' });
      expect(text(reader.seen[0]!.key)).toBe('k');
      expect(reader.seen[1]!.value).toBeNull();
      expect(Math.abs(reader.seen[0]!.timestamp - Date.now())).toBeLessThan(60_000);
    });

    it('goes on from the commit, with its metadata, and from the start without one', async () => {
      const topic = await makeTopic();
      const group = randomUUID();
      await send(
        topic,
        ['a', 'b', 'c'].map((v) => ({ key: 'k', value: body(v) })),
      );
      const first = await collect(topic, group, ({ assignment }) => assignment.commit(2n, '{"from":2}'));
      await first.until(() => first.seen.length === 3);
      expect(first.assignments[0]!.committed).toBeNull();
      await first.consumer.stop();
      const second = await collect(topic, group);
      await second.until(() => second.seen.length === 1);
      expect(second.assignments.at(-1)!.committed).toEqual({ offset: 2n, metadata: '{"from":2}' });
      expect(text(second.seen[0]!.value)).toBe('c');
    });

    it('hands a rejected batch over again', async () => {
      const topic = await makeTopic();
      let attempts = 0;
      await send(topic, [{ key: 'k', value: body('x') }]);
      const reader = await collect(topic, randomUUID(), () => {
        if (++attempts < 3) throw new Error('not yet');
      });
      await reader.until(() => reader.seen.length === 1);
      expect(attempts).toBe(3);
    });

    it('shares partitions within a group; commits of the former owner are stale', async () => {
      const topic = await makeTopic(4);
      const group = randomUUID();
      const first = await collect(topic, group);
      await first.until(() => first.assignments.length === 4);
      const before = [...first.assignments];
      const second = await collect(topic, group);
      await second.until(() => second.assignments.length === 2);
      await first.until(() => first.assignments.length === 6);
      for (const assignment of before) await expect(assignment.commit(1n)).rejects.toThrow(StaleAssignmentError);
      expect(before.every((assignment) => assignment.signal.aborted)).toBe(true);
      await first.consumer.stop();
      await second.until(() => second.assignments.length === 6);
      await send(
        topic,
        Array.from({ length: 40 }, (_, i) => ({ key: `k${i}`, value: body('v') })),
      );
      await second.until(() => second.seen.length === 40);
      expect(new Set(second.seen.map((m) => m.partition)).size).toBe(4);
    });

    it('gives a topic that was made again another identity', async () => {
      const topic = await makeTopic();
      const first = await collect(topic, randomUUID());
      await first.until(() => first.assignments.length === 1);
      await first.consumer.stop();
      await target.deleteTopic(stream, topic);
      await stream.ensureTopics([{ name: topic, partitions: 1, retentionMs: 3_600_000, compacted: false }]);
      const second = await collect(topic, randomUUID());
      await second.until(() => second.assignments.length === 1);
      expect(second.assignments[0]!.topicId).not.toBe(first.assignments[0]!.topicId);
    });

    it('calls onIdle once on an empty topic, and again after a message', async () => {
      const topic = await makeTopic();
      let [idle, batches] = [0, 0];
      const changed = new EventEmitter();
      const consumer = stream.consumer({
        group: randomUUID(),
        topics: [topic],
        idleMs: 50,
        open: () => ({
          onBatch: async () => void (batches++, changed.emit('change')),
          onIdle: async () => void (idle++, changed.emit('change')),
        }),
      });
      consumers.push(consumer);
      await consumer.start();
      const first = idle === 0 ? once(changed, 'change') : undefined;
      await first;
      expect([idle, batches]).toEqual([1, 0]);
      await send(topic, [{ key: 'k', value: null }]);
      while (idle < 2) await once(changed, 'change');
      expect([idle, batches]).toEqual([2, 1]);
    });

    it('carries messages of 900 kB and tells offsets', async () => {
      const topic = await makeTopic();
      const large = Buffer.alloc(900_000, 7);
      await send(topic, [
        { key: 'k', value: large },
        { key: 'k', value: large },
      ]);
      const reader = await collect(topic, randomUUID());
      await reader.until(() => reader.seen.length === 2);
      expect(Buffer.compare(Buffer.from(reader.seen[1]!.value!), large)).toBe(0);
      expect(await stream.offsets(topic)).toEqual([{ partition: 0, low: 0n, high: 2n }]);
    });

    it('keeps what one connection wrote for another', async () => {
      const topic = await makeTopic();
      const other = await target.open();
      const producer = await other.producer();
      const reader = await collect(topic, randomUUID());
      await producer.send(topic, [{ key: 'k', value: body('from elsewhere') }]);
      await reader.until(() => reader.seen.length === 1);
      await producer.close();
      await other.close();
    });
  });
}
