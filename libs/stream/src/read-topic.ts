import { randomUUID } from 'node:crypto';
import { StreamUnavailableError } from './errors.ts';
import type { Stream, StreamMessage } from './stream.ts';

export interface ReadTopicOptions {
  /** Begin of the name of the group that reads; it commits nothing. */
  readonly group: string;
  readonly onMessage: (message: StreamMessage) => void;
  /** Longest wait without a message, milliseconds. */
  readonly stallMs?: number;
}

/**
 * Hands over everything that a topic holds now, each partition in its order, and returns at what was its end when it began.
 * @throws StreamUnavailableError when messages stop coming before that
 */
export async function readTopic(
  stream: Stream,
  topic: string,
  { group, onMessage, stallMs = 30_000 }: ReadTopicOptions,
): Promise<void> {
  const ends = new Map<number, bigint>();
  for (const { partition, low, high } of await stream.offsets(topic)) if (high > low) ends.set(partition, high);
  if (ends.size === 0) return;
  const done = Promise.withResolvers<void>();
  let last = '';
  const stalled = () =>
    done.reject(
      new StreamUnavailableError(`nothing of ${topic} came for ${stallMs} ms${last && `; last error: ${last}`}`),
    );
  let timer = setTimeout(stalled, stallMs);
  const consumer = stream.consumer({
    group: `${group}-${randomUUID()}`,
    topics: [topic],
    open: () => ({
      async onBatch({ messages }) {
        clearTimeout(timer);
        timer = setTimeout(stalled, stallMs);
        for (const message of messages) {
          const end = ends.get(message.partition);
          if (end === undefined) continue;
          if (message.offset < end) onMessage(message);
          if (message.offset + 1n >= end) ends.delete(message.partition);
        }
        if (ends.size === 0) done.resolve();
      },
    }),
    onError: (error) => (last = error.message),
    onSkipped: (_, partition, __, to) => {
      // Retention went past the end while it was read.
      if (to >= (ends.get(partition) ?? to + 1n)) ends.delete(partition);
      if (ends.size === 0) done.resolve();
    },
  });
  try {
    await Promise.race([consumer.start().then(() => done.promise), done.promise]);
  } finally {
    clearTimeout(timer);
    await consumer.stop();
  }
}
