import { parseJson, symbolsSchema, type SymbolsMessage } from '@perfleet/messages';
import type { OutgoingMessage, StreamMessage } from '@perfleet/stream';
import type { Symbolizer } from '@perfleet/symbols';
import { beforeEach, describe, expect, it } from 'vitest';
import { mergeByBinary, Resolver, type ResolverStats, type Wanted } from './resolver.ts';

const wanted = (over: Partial<Wanted> = {}): Wanted => ({
  binaryId: 'gnu:aa',
  kind: 'native',
  path: '/app',
  node: 'here',
  pids: [7],
  addresses: ['10'],
  ...over,
});

describe('resolver', () => {
  let asked: Array<{ path: string; pids: readonly number[]; addresses: bigint[] }>;
  let published: SymbolsMessage[];
  let present: boolean;
  let broker: 'up' | 'down';
  let resolver: Resolver;
  let stats: ResolverStats;
  /** Knows every address of a binary that is there. */
  const symbols: Symbolizer = {
    async resolve({ path, pids }, addresses) {
      asked.push({ path, pids, addresses: [...addresses] });
      return addresses.map((address) =>
        present && path !== ''
          ? { quality: 3, chain: [[`f${address}`, 'a.c', 1] as const] }
          : { quality: 0, chain: [], reason: 'no file' },
      );
    },
    close: () => undefined,
  };
  const publish = async (messages: readonly OutgoingMessage[]) => {
    if (broker === 'down') throw new Error('broker is away');
    for (const message of messages) {
      const parsed = parseJson(symbolsSchema, message.value);
      if (parsed.ok) published.push(parsed.value);
    }
  };

  beforeEach(() => {
    [asked, published, present, broker] = [[], [], true, 'up'];
    stats = { resolved: 0, unresolved: 0, skippedMessages: 0, reasons: {} };
    resolver = new Resolver({ symbols, node: 'here', publish, stats });
  });

  it('resolves an address once, and publishes its whole page', async () => {
    await resolver.resolve(wanted());
    await resolver.resolve(wanted({ addresses: ['10', '11'] }));
    await resolver.resolve(wanted({ addresses: ['11'] }));
    expect(asked.map((a) => a.addresses)).toEqual([[16n], [17n]]);
    expect(published.map((m) => m.frames.map((f) => f.address))).toEqual([['10'], ['10', '11']]);
  });

  it('publishes that a binary is not there once, and its names when it comes', async () => {
    present = false;
    await resolver.resolve(wanted());
    await resolver.retry();
    expect(published.map((m) => m.frames[0])).toEqual([{ address: '10', quality: 0, chain: [], reason: 'no file' }]);
    expect(stats).toMatchObject({ unresolved: 1, reasons: { 'no-file': 1 } });
    present = true;
    await resolver.retry();
    expect(published.at(-1)!.frames[0]).toMatchObject({ quality: 3, chain: [['f16', 'a.c', 1]] });
    const count = asked.length;
    await resolver.retry();
    expect(asked).toHaveLength(count);
  });

  it('keeps waiting for an address when another one of its binary is answered', async () => {
    present = false;
    await resolver.resolve(wanted());
    present = true;
    await resolver.resolve(wanted({ addresses: ['20'] }));
    await resolver.retry();
    expect(asked.at(-1)!.addresses).toEqual([16n]);
  });

  it('takes no file of this machine for a binary of another node that no hash proves', async () => {
    await resolver.resolve(wanted({ binaryId: 'path:/app', node: 'there' }));
    await resolver.resolve(wanted({ binaryId: 'gnu:aa', node: 'there' }));
    await resolver.resolve(wanted({ binaryId: 'path:/app', node: 'here', addresses: ['99'] }));
    expect(asked.map(({ path, pids }) => [path, pids])).toEqual([
      ['', []],
      ['/app', []],
      ['/app', [7]],
    ]);
  });

  it('publishes what the broker did not take when the batch comes again', async () => {
    broker = 'down';
    await expect(resolver.resolve(wanted())).rejects.toThrow('broker is away');
    broker = 'up';
    await resolver.resolve(wanted());
    expect(published.map((m) => m.frames[0]!.chain[0]![0])).toEqual(['f16']);
    expect(asked).toHaveLength(1);
  });

  it('publishes nothing once the partition has another owner', async () => {
    const slow = resolver.resolve(wanted());
    resolver.close();
    await expect(slow).rejects.toThrow('not assigned');
    expect(published).toEqual([]);
  });
});

describe('a batch of addresses', () => {
  const message = (value: unknown): StreamMessage => ({
    topic: 't',
    partition: 0,
    offset: 0n,
    key: null,
    value: typeof value === 'string' ? Buffer.from(value) : Buffer.from(JSON.stringify(value)),
    headers: {},
    timestamp: 0,
  });

  it('is merged by binary, each address in one spelling; what is not valid is counted', () => {
    const invalid: string[] = [];
    const merged = mergeByBinary(
      [
        message(wanted({ addresses: ['10', '0010'] })),
        message('not json'),
        message(wanted({ addresses: ['11', '10'], pids: [8] })),
        message({ ...wanted(), addresses: ['zz'] }),
        message(wanted({ node: 'there' })),
      ],
      (reason) => invalid.push(reason),
    );
    expect(merged).toEqual([wanted({ addresses: ['10', '11'], pids: [7, 8] }), wanted({ node: 'there' })]);
    expect(invalid).toHaveLength(2);
  });
});
