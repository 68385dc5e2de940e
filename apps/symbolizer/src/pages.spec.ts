import { symbolsSchema } from '@perfleet/messages';
import { describe, expect, it } from 'vitest';
import { boundedChain } from './bounded-chain.ts';
import { Pages, PAGE_LIMITS, type SymbolFrame } from './pages.ts';

const frame = (address: string, quality = 3, name = 'f'): SymbolFrame => ({ address, quality, chain: [[name, '', 0]] });

describe('pages of symbols', () => {
  it('hold all frames of 64 KiB under one key, and other addresses and kinds under others', () => {
    const pages = new Pages();
    const key = pages.put('gnu:aa', 'native', frame('1ffff'));
    expect(pages.put('gnu:aa', 'native', frame('10000'))).toBe(key);
    const others = [
      pages.put('gnu:aa', 'native', frame('20000')),
      pages.put('gnu:bb', 'native', frame('10000')),
      pages.put('gnu:aa', 'go', frame('10000')),
    ];
    expect(new Set([key, ...others]).size).toBe(4);
    expect(pages.messages(key).map((m) => m.value.frames.map((f) => f.address))).toEqual([['1ffff', '10000']]);
  });

  it('never replace a better answer by a worse one', () => {
    const pages = new Pages();
    pages.put('gnu:aa', 'native', frame('1', 2, 'symtab'));
    pages.put('gnu:aa', 'native', frame('1', 1, 'dynamic'));
    expect(pages.get('gnu:aa', 'native', '1')?.chain[0]?.[0]).toBe('symtab');
    pages.put('gnu:aa', 'native', frame('1', 3, 'debug'));
    expect(pages.get('gnu:aa', 'native', '1')?.chain[0]?.[0]).toBe('debug');
  });

  it('go on in further messages when one would be too large for a broker, each frame in exactly one', () => {
    const pages = new Pages();
    let key = '';
    for (let i = 0; i < 2000; i++) key = pages.put('gnu:aa', 'native', frame(i.toString(16), 3, 'é'.repeat(400)));
    const messages = pages.messages(key);
    expect(messages.length).toBeGreaterThan(1);
    expect(new Set(messages.map((m) => m.key)).size).toBe(messages.length);
    expect(messages[0]!.key).toBe(key);
    expect(messages.flatMap((m) => m.value.frames.map((f) => f.address))).toHaveLength(2000);
    for (const { value } of messages) expect(Buffer.byteLength(JSON.stringify(value))).toBeLessThan(950_000);
  });

  it('forget the pages that changed longest ago, and never the one just changed', () => {
    const pages = new Pages({ ...PAGE_LIMITS, frames: 3 });
    pages.put('gnu:aa', 'native', frame('1'));
    pages.put('gnu:bb', 'native', frame('1'));
    pages.put('gnu:bb', 'native', frame('2'));
    const key = pages.put('gnu:cc', 'native', frame('1'));
    expect(pages.get('gnu:aa', 'native', '1')).toBeUndefined();
    expect(pages.get('gnu:bb', 'native', '2')).toBeDefined();
    for (let i = 2; i < 10; i++) pages.put('gnu:cc', 'native', frame(String(i)));
    expect(pages.messages(key)[0]!.value.frames).toHaveLength(9);
  });
});

describe('a chain from a hostile binary', () => {
  it('fits into the schema and into a message whatever its names are', () => {
    const chain = Array.from({ length: 1000 }, () => ['𝒳'.repeat(20_000), '/x'.repeat(20_000), 7] as const);
    const bounded = boundedChain(chain);
    expect(bounded.length).toBeGreaterThan(5);
    const value = { binaryId: 'gnu:aa', kind: 'native', frames: [{ address: '1', quality: 3, chain: bounded }] };
    expect(symbolsSchema.safeParse(value).success).toBe(true);
    const json = Buffer.from(JSON.stringify(value));
    expect(json.length).toBeLessThan(500_000);
    expect(json.includes('\ufffd') || json.includes('\\ud835"')).toBe(false);
  });

  it('is left alone when it is an ordinary one', () => {
    const chain = [['a', 'b.c', 1] as const, ['c', '', 0] as const];
    expect(boundedChain(chain)).toEqual(chain);
  });
});
