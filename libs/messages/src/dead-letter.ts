/** Headers that stand beside the message's own on `perfleet.dead`: why it could not be used, and where it stood. */
const ADDED = ['reason', 'topic', 'partition', 'offset'] as const;

/** Where a message that could not be used stood, and why it could not. */
export interface DeadLetterOrigin {
  readonly reason: string;
  /** With the prefix; empty when the letter does not say. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** The message's own headers. */
  readonly headers: Readonly<Record<string, string>>;
}

export function deadLetterHeaders(origin: DeadLetterOrigin): Record<string, string> {
  return {
    ...origin.headers,
    reason: origin.reason.slice(0, 1000),
    topic: origin.topic,
    partition: String(origin.partition),
    offset: String(origin.offset),
  };
}

/** Never throws: what is missing or no number becomes "", -1. */
export function parseDeadLetter(raw: Readonly<Record<string, string>>): DeadLetterOrigin {
  const number = (text: string | undefined) => (/^\d{1,19}$/.test(text ?? '') ? BigInt(text!) : -1n);
  const own = Object.entries(raw).filter(([name]) => !(ADDED as readonly string[]).includes(name));
  return {
    reason: raw['reason'] ?? '',
    topic: raw['topic'] ?? '',
    partition: Number(number(raw['partition'])),
    offset: number(raw['offset']),
    headers: Object.fromEntries(own),
  };
}
