import { createHash } from 'node:crypto';
import type { StreamMessage } from '@perfleet/stream';
import { describe, expect, it } from 'vitest';
import { BlockHandler, type Block, type Sink } from './block-handler.ts';

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
  const assignment = (metadata = '', commits: string[] = []) => ({
    topic: 't',
    partition: 0,
    topicId: 'id',
    committed: { offset: 0n, metadata },
    signal: new AbortController().signal,
    commit: async (offset: bigint, committed = '') => void commits.push(`${offset} ${committed}`),
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

  it('of a block that the version before began have its tokens, and later ones those of this one, begun here or by another', async () => {
    const bodies = Array.from({ length: 5 }, (_, i) => ({ ...message(i, 3), value: Uint8Array.of(i, 7, 9) }));
    const commits: string[] = [];
    const [given, first, second] = [assignment('{"from":"0","to":"2"}', commits), noted(), noted()];
    await run(new BlockHandler(given, first.sink, limits, false), given, bodies);
    const content = createHash('sha256');
    for (const { value, offset } of bodies.slice(0, 2)) content.update(`${offset}:1:3:`).update(value);
    const token = createHash('sha256').update(JSON.stringify(['t', 't', 'id', 0, '0', '2', content.digest('hex')]));
    expect(first.tokens[0]).toBe(token.digest('hex'));
    const begun = '{"from":"2","to":"5","bodies":"xxh3"}';
    // The first as it stood there, so that the version before can still finish it.
    expect(commits).toEqual(['0 {"from":"0","to":"2"}', '2 ', `2 ${begun}`, '5 ']);
    const again = assignment(begun);
    await run(new BlockHandler(again, second.sink, limits, false), again, bodies.slice(2));
    expect(second.tokens).toEqual(first.tokens.slice(1));
    const other = noted();
    const changed = bodies.map((body) => ({ ...body, value: Uint8Array.of(body.value[0]!, 7, 8) }));
    await run(new BlockHandler(again, other.sink, limits, false), again, changed.slice(2));
    expect(other.tokens).not.toEqual(second.tokens);
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
