import { randomUUID } from 'node:crypto';
import type { Stream, StreamMessage } from '@perfleet/stream';
import { waitFor } from '@perfleet/testing';

/** The first `count` messages of a topic, or as many as it holds now. */
export async function readTopic(stream: Stream, topic: string, count?: number): Promise<StreamMessage[]> {
  const held = (await stream.offsets(topic)).reduce((sum, { low, high }) => sum + Number(high - low), 0);
  const wanted = count ?? held;
  const messages: StreamMessage[] = [];
  const consumer = stream.consumer({
    group: `test-${randomUUID()}`,
    topics: [topic],
    open: () => ({ onBatch: async (batch) => void messages.push(...batch.messages) }),
  });
  await consumer.start();
  await waitFor(() => messages.length >= wanted, { timeoutMs: 60_000, what: `${wanted} messages of ${topic}` });
  await consumer.stop();
  return messages;
}
