import type { SymbolTable } from '@perfleet/native-symbols';
import { beforeEach, describe, expect, it } from 'vitest';
import { TableCache } from './table-cache.ts';

describe('open tables', () => {
  let opened: string[];
  let closed: string[];
  let opening: number;
  let most: number;
  let missing: Set<string>;
  let cache: TableCache<string>;
  const open = async (name: string) => {
    opening++;
    most = Math.max(most, opening);
    await Promise.resolve();
    opening--;
    opened.push(name);
    if (missing.has(name)) return { reason: 'no file' };
    return { bytes: name.length, close: () => void closed.push(name) } as unknown as SymbolTable;
  };
  const use = (name: string, work: () => Promise<void> = async () => undefined) => cache.use(name, name, work);

  beforeEach(() => {
    [opened, closed, opening, most, missing] = [[], [], 0, 0, new Set()];
    cache = new TableCache({ tables: 2, bytes: 100, atOnce: 2 }, open);
  });

  it('are opened once, and the least recently used is closed', async () => {
    for (const name of ['a', 'b', 'a', 'c', 'a']) await use(name);
    expect(opened).toEqual(['a', 'b', 'c']);
    expect(closed).toEqual(['b']);
  });

  it('are not closed under their user', async () => {
    let finish = () => undefined as void;
    const using = use('a', () => new Promise((resolve) => (finish = resolve)));
    for (const name of ['b', 'c', 'd']) await use(name);
    expect(closed).not.toContain('a');
    finish();
    await using;
    await Promise.resolve();
    expect(closed).toContain('a');
  });

  it('are closed for their size, but not the one that was asked for last', async () => {
    const [small, large] = ['s', 'x'.repeat(99)];
    await use(small);
    await use(large);
    expect(closed).toEqual([]);
    await use('other');
    expect(closed).toEqual([small, large]);
    await use('y'.repeat(500));
    expect(closed).toEqual([small, large, 'other']);
    await use(small);
    expect(closed.at(-1)).toBe('y'.repeat(500));
  });

  it('are opened side by side, no more at once than may be', async () => {
    await Promise.all(['a', 'b', 'c', 'd'].map((name) => use(name)));
    expect([opened.length, most]).toEqual([4, 2]);
  });

  it('that could not be opened are tried again', async () => {
    missing.add('a');
    await use('a');
    missing.delete('a');
    await use('a');
    await use('a');
    expect(opened).toEqual(['a', 'a']);
  });
});
