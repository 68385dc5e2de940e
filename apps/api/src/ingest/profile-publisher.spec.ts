import { decodeProfileHeaders, type ProfileHeaders } from '@perfleet/messages';
import type { OutgoingMessage, Stream } from '@perfleet/stream';
import { describe, expect, it } from 'vitest';
import { ProfilePublisher } from './profile-publisher.ts';

const part = (samples: number) => ({ body: new Uint8Array([samples]), samples });

/** A log that keeps what it takes; `fail` decides what happens to the nth message: refused, or kept and then reported lost. */
function log(fail: (n: number) => 'refused' | 'unsure' | null = () => null) {
  const kept: ProfileHeaders[] = [];
  let n = 0;
  const send = async (_topic: string, [message]: readonly OutgoingMessage[]) => {
    await Promise.resolve();
    const outcome = fail(++n);
    const headers = decodeProfileHeaders(message!.headers!);
    if (!headers.ok) throw new Error(headers.error);
    if (outcome !== 'refused') kept.push(headers.value);
    if (outcome !== null) throw new Error('the broker is away');
  };
  const stream = { producer: async () => ({ send, close: async () => undefined }) } as Partial<Stream> as Stream;
  return { kept, publisher: new ProfilePublisher(stream, 'perfleet.profiles') };
}

/** Per epoch: what was taken by its last message, and the samples that are in the log. */
function balances(kept: readonly ProfileHeaders[], samples: (h: ProfileHeaders) => number) {
  const epochs = new Map<string, { taken: number; stored: number; seqs: number[] }>();
  for (const h of kept) {
    const epoch = epochs.get(h.epoch) ?? { taken: 0, stored: 0, seqs: [] };
    epochs.set(h.epoch, { taken: h.taken, stored: epoch.stored + samples(h), seqs: [...epoch.seqs, h.seq] });
  }
  return [...epochs.values()];
}

describe('ProfilePublisher', () => {
  it('numbers the messages of each node, whatever comes at once', async () => {
    const { kept, publisher } = log();
    await Promise.all(
      [1, 2, 3].flatMap((n) => ['a', 'b'].map((node) => publisher.publish(node, [part(n), part(10 * n)]))),
    );
    for (const node of ['a', 'b']) {
      const own = kept.filter((h) => h.node === node);
      expect(new Set(own.map((h) => h.epoch)).size).toBe(1);
      expect(own.map((h) => h.seq)).toEqual([1, 2, 3, 4, 5, 6]);
      expect(own.map((h) => h.taken)).toEqual([1, 11, 13, 33, 36, 66]);
    }
  });

  it.each(['refused', 'unsure'] as const)('keeps taken = stored when a message is %s', async (outcome) => {
    const { kept, publisher } = log((n) => (n === 2 ? outcome : null));
    await publisher.publish('a', [part(5)]);
    await expect(publisher.publish('a', [part(7)])).rejects.toMatchObject({ status: 503 });
    await publisher.publish('a', [part(9)]);
    const values = outcome === 'refused' ? [5, 9] : [5, 7, 9];
    const all = balances(kept, () => values.shift()!);
    expect(all).toHaveLength(2);
    for (const { taken, stored, seqs } of all) {
      expect(stored).toBe(taken);
      expect(seqs).toEqual(seqs.map((_, i) => i + 1));
    }
  });

  it('begins an epoch before its count is too large to be exact', async () => {
    const { kept, publisher } = log();
    for (let i = 0; i < 3; i++) await publisher.publish('a', [part(2 ** 51)]);
    expect(kept.map((h) => h.taken)).toEqual([2 ** 51, 2 ** 52, 2 ** 51]);
    expect(new Set(kept.map((h) => h.epoch)).size).toBe(2);
  });
});
