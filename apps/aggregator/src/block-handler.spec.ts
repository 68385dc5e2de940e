import type { StreamMessage } from '@perfleet/stream';
import { describe, expect, it } from 'vitest';
import { BlockHandler, parseRange, type Block, type Sink } from './block-handler.ts';

it('reads a stored range and nothing else', () => {
  expect(parseRange('{"from":"3","to":"9"}')).toEqual({ from: 3n, to: 9n, shard: null });
  expect(parseRange('{"from":"3","to":"9","shard":"b"}')).toEqual({ from: 3n, to: 9n, shard: 'b' });
  for (const bad of ['', undefined, 'x', '{}', '{"from":"9","to":"3"}', '{"from":"a","to":"3"}', 'null'])
    expect(parseRange(bad)).toBeNull();
});

const message = (offset: number, bytes: number): StreamMessage => ({
  topic: 't',
  partition: 0,
  offset: BigInt(offset),
  key: null,
  value: new Uint8Array(bytes),
  headers: {},
  timestamp: 1,
});

describe('chunks', () => {
  const assignment = (metadata = '') => ({
    topic: 't',
    partition: 0,
    topicId: 'id',
    committed: { offset: 0n, metadata },
    signal: new AbortController().signal,
    commit: async () => undefined,
  });
  const limits = { flushMs: 0, maxRows: 3, maxBytes: 1 << 30 };

  /** A row a message; takes note of how many were accepted together and of each block. */
  function noted() {
    const [accepted, blocks, tokens] = [[] as number[], [] as bigint[][], [] as string[]];
    const sink: Sink<bigint> = {
      async accept(messages) {
        accepted.push(messages.length);
        return messages.map(({ offset }) => ({ item: offset, rows: 1 }));
      },
      async write(block: Block<bigint>) {
        blocks.push([...block.items]);
        tokens.push(block.token('t'));
      },
    };
    return { sink, accepted, blocks, tokens };
  }

  async function run(handler: BlockHandler<bigint>, given: ReturnType<typeof assignment>, messages: StreamMessage[]) {
    await handler.onBatch({ assignment: given, messages, highWatermark: 99n, heartbeat: async () => undefined });
  }

  it('are bounded in bytes and messages, and blocks are the same whatever they are', async () => {
    const whole = noted();
    const given = assignment();
    const large = Array.from({ length: 7 }, (_, i) => message(i, 3 << 20));
    await run(new BlockHandler(given, whole.sink, limits, false), given, large);
    expect(whole.accepted).toEqual([2, 2, 2, 1]);
    expect(whole.blocks).toEqual([[0n, 1n, 2n], [3n, 4n, 5n], [6n]]);
    const single = noted();
    const handler = new BlockHandler(given, single.sink, { ...limits, flushMs: 1e9 }, false);
    for (const one of large) await run(handler, given, [one]);
    expect([single.accepted, single.blocks]).toEqual([Array(7).fill(1), whole.blocks.slice(0, 2)]);
    expect(single.tokens).toEqual(whole.tokens.slice(0, 2));
    const many = noted();
    await run(
      new BlockHandler(given, many.sink, { ...limits, maxRows: 1e9 }, false),
      given,
      Array.from({ length: 600 }, (_, i) => message(i, 1)),
    );
    expect(many.accepted).toEqual([256, 256, 88]);
  });

  it('end no replayed range early or late', async () => {
    const { sink, blocks } = noted();
    const given = assignment('{"from":"0","to":"5"}');
    await run(
      new BlockHandler(given, sink, limits, false),
      given,
      Array.from({ length: 9 }, (_, i) => message(i, 1)),
    );
    expect(blocks).toEqual([[0n, 1n, 2n, 3n, 4n], [5n, 6n, 7n], [8n]]);
  });

  it('are accepted once, wherever in them a block failed', async () => {
    const { sink, accepted, blocks } = noted();
    let away = true;
    const failing: Sink<bigint> = {
      ...sink,
      write: (block, of) => (away ? Promise.reject(new Error('the store is away')) : sink.write(block, of)),
    };
    const given = assignment();
    const handler = new BlockHandler(given, failing, limits, false);
    const messages = Array.from({ length: 5 }, (_, i) => message(i, 1));
    await expect(run(handler, given, messages)).rejects.toThrow('the store is away');
    away = false;
    await run(handler, given, messages);
    expect([accepted, blocks]).toEqual([
      [5],
      [
        [0n, 1n, 2n],
        [3n, 4n],
      ],
    ]);
  });

  it('give the bodies back that nobody needs, before they wait for the store, and tokens are the same', async () => {
    const [kept, spending] = [noted(), noted()];
    const given = assignment();
    const messages = () =>
      Array.from({ length: 5 }, (_, i) => ({ ...message(i, 8), value: Uint8Array.of(i, 1, 2, 3) }));
    await run(new BlockHandler(given, kept.sink, limits, false), given, messages());
    const left: number[][] = [];
    const [bodies, shared] = [messages(), new Uint8Array(64).fill(9)];
    bodies[1]!.value = shared.subarray(0, 4);
    bodies[1]!.value.set([1, 1, 2, 3]);
    const sink: Sink<bigint> = {
      async accept(some, of) {
        const accepted = await spending.sink.accept(some, of);
        return accepted.map((one) => ({ ...one, spent: one.item !== 2n }));
      },
      async write(block, of) {
        left.push(bodies.map(({ value }) => value.byteLength));
        await spending.sink.write(block, of);
      },
    };
    await run(new BlockHandler(given, sink, limits, false), given, bodies);
    expect(spending.tokens).toEqual(kept.tokens);
    // One that the sink keeps, and one that is part of a larger buffer.
    expect(left).toEqual([
      [0, 4, 4, 0, 0],
      [0, 4, 4, 0, 0],
    ]);
    expect([...shared.subarray(0, 5)]).toEqual([1, 1, 2, 3, 9]);
  });

  it('hold a block and no more while the store stands still, whatever waits behind it', async () => {
    const { sink, accepted, blocks } = noted();
    const store = Promise.withResolvers<void>();
    const slow: Sink<bigint> = { ...sink, write: (block, of) => store.promise.then(() => sink.write(block, of)) };
    const given = assignment();
    const handler = new BlockHandler(given, slow, { flushMs: 1e9, maxRows: 1e9, maxBytes: 8 << 20 }, false);
    const messages = Array.from({ length: 40 }, (_, i) => message(i, 1 << 20));
    let over = false;
    const running = run(handler, given, messages).then(() => (over = true));
    // Until nothing is left to do but wait for the store.
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    // Of 40 MiB: the block that is full, and nothing behind it.
    expect([accepted, over]).toEqual([[4, 4], false]);
    store.resolve();
    await running;
    expect(blocks.map((block) => block.length)).toEqual([8, 8, 8, 8, 8]);
  });
});
