import { randomUUID } from 'node:crypto';
import { decodeProfileHeaders, TOPICS, type ProfileHeaders } from '@perfleet/messages';
import { ProfilesEncoder } from '@perfleet/otlp';
import type { Stream, StreamMessage } from '@perfleet/stream';
import { waitFor } from '@perfleet/testing';
import type { JournalEpoch, JournalRow } from './journal.ts';

/** A message as the broker has it. */
export interface Published {
  readonly partition: number;
  readonly offset: bigint;
  readonly headers: ProfileHeaders;
  /** Holds no samples: it only counts. */
  readonly empty: boolean;
}

const NO_SAMPLES = new ProfilesEncoder().finish().byteLength;

/** Every message of the topic, without its body; of each node the first also with it. */
export async function readPublished(stream: Stream): Promise<{ messages: Published[]; firsts: StreamMessage[] }> {
  const wanted = await countMessages(stream);
  const messages: Published[] = [];
  const firsts = new Map<string, StreamMessage>();
  const consumer = stream.consumer({
    group: `faults-${randomUUID()}`,
    topics: [TOPICS.profiles],
    open: () => ({
      async onBatch(batch) {
        for (const message of batch.messages) {
          const headers = decodeProfileHeaders(message.headers);
          if (!headers.ok) throw new Error(headers.error);
          const { partition, offset, value } = message;
          const empty = value?.byteLength === NO_SAMPLES;
          messages.push({ partition, offset, headers: headers.value, empty });
          if (!firsts.has(headers.value.node)) firsts.set(headers.value.node, message);
        }
      },
    }),
  });
  await consumer.start();
  await waitFor(() => messages.length >= wanted, { timeoutMs: 60_000, what: `${wanted} messages of the topic` });
  await consumer.stop();
  return { messages, firsts: [...firsts.values()] };
}

export async function countMessages(stream: Stream): Promise<number> {
  const partitions = await stream.offsets(TOPICS.profiles);
  return partitions.reduce((sum, { low, high }) => sum + Number(high - low), 0);
}

/** What must be in `deliveries` of one epoch. */
export interface ExpectedEpoch {
  readonly node: string;
  readonly epoch: string;
  readonly messages: number;
  readonly duplicates: number;
  readonly gaps: number;
  readonly taken: number;
  readonly stored: number;
  readonly lost: Readonly<Record<string, number>>;
}

export interface ExpectedWindow {
  readonly time: number;
  readonly rows: readonly JournalRow[];
}

/**
 * An epoch's expected deliveries and the windows that must be stored. The journal says what was taken and what the spool took;
 * the spool counts from 1, so that a message's sequence number says its window; the topic says what was sent.
 */
export function expectEpoch(
  node: string,
  { epoch, windows }: JournalEpoch,
  published: readonly Published[],
): { expected: ExpectedEpoch; stored: ExpectedWindow[] } {
  const seqs = published.map(({ headers }) => headers.seq);
  const sent = new Set(seqs);
  // Of a message that came twice the first one counts; one that was emptied in the spool stores nothing.
  const first = new Map([...published].reverse().map(({ headers, empty }) => [headers.seq, empty]));
  const spooled = windows.filter(({ taken }) => taken);
  const stored = spooled.filter((_, i) => first.get(i + 1) === false);
  const samples = (some: typeof windows) => some.reduce((sum, one) => sum + one.samples, 0);
  const dropped = samples(spooled) - samples(stored);
  const refused = samples(windows) - samples(spooled);
  return {
    expected: {
      ...{ node, epoch, messages: seqs.length, duplicates: seqs.length - sent.size },
      gaps: Math.max(0, ...sent) - sent.size,
      ...{ taken: samples(windows), stored: samples(stored) },
      lost: { 'spool-dropped': dropped, 'not spooled': refused },
    },
    stored,
  };
}
