import { deadLetterHeaders } from '@perfleet/messages';
import type { StreamMessage, StreamProducer } from '@perfleet/stream';

/** The message as it came, with why it could not be used and where it stood. */
export async function sendDead(
  producer: StreamProducer,
  deadTopic: string,
  letters: ReadonlyArray<{ readonly message: StreamMessage; readonly reason: string }>,
): Promise<void> {
  if (letters.length === 0) return;
  await producer.send(
    deadTopic,
    letters.map(({ message, reason }) => ({
      key: message.key,
      value: message.value,
      headers: deadLetterHeaders({ ...message, reason }),
    })),
  );
}
