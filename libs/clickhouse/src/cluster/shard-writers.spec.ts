import { describe, expect, it } from 'vitest';
import { RowBinaryBlock } from '../row-binary.ts';
import { ClickHouseError, type Store } from '../store.ts';
import { ShardWriters } from './shard-writers.ts';
import { parseShards } from './topology.ts';

const SHARDS = parseShards(' 1=http://a:8123,http://b:8123  x.2=https://c ');

describe('shards', () => {
  it('are read from a setting, which says what is wrong with it', () => {
    expect(SHARDS).toEqual([
      { name: '1', urls: ['http://a:8123', 'http://b:8123'] },
      { name: 'x.2', urls: ['https://c'] },
    ]);
    expect(parseShards('')).toEqual([]);
    expect(() => parseShards('http://a:8123')).toThrow('expected NAME=URL');
    expect(() => parseShards('1=a:8123')).toThrow('a:8123 is no HTTP address');
    expect(() => parseShards('1=http://a 1=http://b')).toThrow('shard 1 is named twice');
  });

  /** Notes what each address was asked. */
  function recorded(down: Set<string> = new Set()) {
    const asked: string[] = [];
    const open = (url: string) => {
      const note = async (what: string) => {
        if (down.has(url)) throw new ClickHouseError(`cannot reach ${url}`, 0);
        asked.push(`${url} ${what}`);
        return [];
      };
      const store: Partial<Store> = {
        query: note,
        command: (sql) => note(sql).then(),
        insert: (table) => note(table).then(),
      };
      return store as Store;
    };
    return { asked, writers: new ShardWriters(SHARDS, {}, open) };
  }

  it('take partitions in turn, in tables of their own, and finish what was begun on them', async () => {
    const { asked, writers } = recorded();
    expect([0, 1, 2, 3].map((partition) => writers.shardOf(partition))).toEqual(['1', 'x.2', '1', 'x.2']);
    for (const table of ['samples', 'stacks']) await writers.writer('x.2').insert(table, [], new RowBinaryBlock(), 't');
    expect(asked).toEqual(['https://c samples_local', 'https://c stacks']);
    expect(() => writers.writer('3')).toThrow(/shard 3, which is not among 1, x.2/);
  });

  it('have replicas: another one is used when one is away, once it has what the first one took', async () => {
    const down = new Set<string>();
    const { asked, writers } = recorded(down);
    const writer = writers.writer('1');
    await writer.query('Q');
    await writer.query('Q');
    down.add('http://a:8123');
    await expect(writer.query('Q')).rejects.toThrow('cannot reach http://a:8123');
    await writer.query('Q');
    const sync = 'SYSTEM SYNC REPLICA delivery_log';
    expect(asked).toEqual([
      ...[sync, 'Q', 'Q'].map((what) => `http://a:8123 ${what}`),
      ...[sync, 'Q'].map((what) => `http://b:8123 ${what}`),
    ]);
  });
});
