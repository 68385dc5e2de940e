import { randomBytes } from 'node:crypto';
import { releaseBytes } from '@perfleet/bytes';
import { expect, it } from 'vitest';
import { Wakeup } from '../wakeup.ts';
import type { FetchedBatch } from './internals.ts';
import { PartitionBuffer } from './partition-buffer.ts';
import { compress, decompress } from './zstd.ts';

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

it('lets a body take the memory of a batch that it came in alone, and leaves what others share', async () => {
  const [wakeup, room] = [new Wakeup(), new Wakeup()];
  const at = { topic: 't', partition: 0, topicId: 'id', committed: null, low: 0n, high: 1000n };
  const buffer = new PartitionBuffer({ ...at, wakeup, room, commit: async () => undefined });
  const record = (bytes: Buffer, offset: number) => ({
    ...{ offset: String(offset), timestamp: '1', headers: {} },
    ...{ key: bytes.subarray(0, 10), value: bytes.subarray(10, 60_000 + offset) },
  });
  const unpack = async () => decompress(await compress(randomBytes(100_000)));
  const [alone, shared, plain] = [await unpack(), await unpack(), randomBytes(100_000)];
  // The broker gives whole batches: one of the shared batch's records was read before.
  const raw = [record(alone, 1), record(shared, 2), record(shared, 3), record(plain, 4)];
  const messages = raw.filter(({ offset }) => offset !== '2') as never;
  buffer.push({ messages, rawMessages: raw, highWatermark: '1000', lastOffset: () => '4' });
  const read = buffer.read(0n).messages;
  const keys = read.map(({ key }) => Buffer.from(key!).toString('hex'));
  for (const { value } of read) releaseBytes(value!);
  expect([alone, shared, plain].map(({ buffer }) => (buffer as ArrayBuffer).detached)).toEqual([true, false, false]);
  expect(read.map(({ key }) => Buffer.from(key!).toString('hex'))).toEqual(keys);
});
