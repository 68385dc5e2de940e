import { parseDeadLetter, type DeadLetterOrigin } from '@perfleet/messages';
import { readTopic, type Stream, type StreamMessage } from '@perfleet/stream';

export interface DeadLetter extends DeadLetterOrigin {
  /** `PARTITION:OFFSET` on the dead topic. */
  readonly id: string;
  /** When it was put there; Unix milliseconds. */
  readonly time: number;
  readonly message: StreamMessage;
}

export interface LetterFilter {
  /** Original topic, with or without the prefix. */
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: bigint;
  /** Part of the reason. */
  readonly reason?: string;
  /** Unix milliseconds, both included. */
  readonly from?: number;
  readonly until?: number;
  readonly ids?: ReadonlySet<string>;
}

export function matches(letter: DeadLetter, filter: LetterFilter): boolean {
  const { topic, partition, offset, reason, from, until, ids } = filter;
  if (topic !== undefined && letter.topic !== topic && !letter.topic.endsWith(`.${topic}`)) return false;
  if (partition !== undefined && letter.partition !== partition) return false;
  if (offset !== undefined && letter.offset !== offset) return false;
  if (reason !== undefined && !letter.reason.toLowerCase().includes(reason.toLowerCase())) return false;
  if (from !== undefined && letter.time < from) return false;
  if (until !== undefined && letter.time > until) return false;
  return ids === undefined || ids.has(letter.id);
}

export function letterOf(message: StreamMessage): DeadLetter {
  const id = `${message.partition}:${message.offset}`;
  return { ...parseDeadLetter(message.headers), id, time: message.timestamp, message };
}

/** The newest `limit` letters that match, oldest first; `matched` counts all. Holds no more than those in memory. */
export async function findLetters(
  stream: Stream,
  deadTopic: string,
  filter: LetterFilter,
  limit: number,
): Promise<{ letters: DeadLetter[]; matched: number }> {
  let letters: DeadLetter[] = [];
  let matched = 0;
  const newest = (some: DeadLetter[]) => some.sort((a, b) => a.time - b.time).slice(-limit);
  await readTopic(stream, deadTopic, {
    group: 'perfleet-dead',
    onMessage(message) {
      const letter = letterOf(message);
      if (!matches(letter, filter)) return;
      matched++;
      letters.push(letter);
      if (letters.length >= 2 * limit) letters = newest(letters);
    },
  });
  return { letters: newest(letters), matched };
}
