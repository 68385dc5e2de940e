import { expect, it } from 'vitest';
import { Wakeup } from '../wakeup.ts';
import type { FetchedBatch } from './internals.ts';
import { PartitionBuffer } from './partition-buffer.ts';

const batch = (offset: number): FetchedBatch => ({
  messages: [{ offset: String(offset), key: null, value: Buffer.alloc(10), headers: {}, timestamp: '1' }] as never,
  rawMessages: [{}],
  highWatermark: '1000',
  lastOffset: () => String(offset),
});

it('asks for no more while its reader stands still: one batch that is read, one that is ready', async () => {
  const [wakeup, room] = [new Wakeup(), new Wakeup()];
  const commit = async () => undefined;
  const at = { topic: 't', partition: 0, topicId: 'id', committed: null, low: 0n, high: 1000n };
  const buffer = new PartitionBuffer({ ...at, wakeup, room, commit });
  let fetched = 0;
  // As the fetcher does: whenever there is room.
  const fetch = () => {
    while (buffer.hasRoom) expect(buffer.push(batch(fetched++))).toBe(true);
  };
  fetch();
  expect(fetched).toBe(2);
  // The reader has the first and works at it.
  expect(buffer.read(0n).messages).toHaveLength(1);
  fetch();
  expect(fetched).toBe(2);
  const told = room.next().within(1e6, new AbortController().signal);
  // It is done with it and asks for the next.
  expect(buffer.read(1n).next).toBe(2n);
  expect(await told).toBe(true);
  fetch();
  expect(fetched).toBe(3);
});
