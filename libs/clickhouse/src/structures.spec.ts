import { expect, it } from 'vitest';
import { Structures } from './structures.ts';

it('asks for a table once, and again after a statement that may change one', async () => {
  const structures = new Structures<number>();
  let asked = 0;
  const ask = () => structures.of('t', () => Promise.resolve(++asked));
  const after = async (sql: string) => {
    await structures.around(sql, () => Promise.resolve());
    return ask();
  };
  expect(await ask()).toBe(1);
  for (const sql of ['SELECT 1', ' (select 1);\n', 'INSERT INTO t SELECT 1', 'DESCRIBE TABLE t', 'SET a = 1'])
    expect(await after(sql), sql).toBe(1);
  const changing = [
    'ALTER TABLE t ADD COLUMN a UInt8',
    '/* SELECT */ DROP TABLE t',
    'USE other',
    'SELECT 1; ALTER TABLE t DROP COLUMN a',
    'EXCHANGE TABLES t AND u',
  ];
  for (const [i, sql] of changing.entries()) expect(await after(sql), sql).toBe(i + 2);
});

it('keeps nothing that was asked for while a table was changed, whether that succeeds or not', async () => {
  const structures = new Structures<string>();
  await expect(
    structures.around('ALTER TABLE t DROP COLUMN a', async () => {
      await structures.of('t', () => Promise.resolve('before'));
      throw new Error('half of it');
    }),
  ).rejects.toThrow('half of it');
  expect(await structures.of('t', () => Promise.resolve('after'))).toBe('after');
});

it('asks again when there was no answer', async () => {
  const structures = new Structures<string>();
  await expect(structures.of('t', () => Promise.reject(new Error('gone')))).rejects.toThrow('gone');
  expect(await structures.of('t', () => Promise.resolve('there'))).toBe('there');
});

it('keeps a bounded number of tables', async () => {
  const structures = new Structures<string>();
  for (let i = 0; i < 256; i++) await structures.of(`t${i}`, () => Promise.resolve('first'));
  expect(await structures.of('t0', () => Promise.resolve('again'))).toBe('first');
  await structures.of('one more', () => Promise.resolve('first'));
  expect(await structures.of('t0', () => Promise.resolve('again'))).toBe('again');
});
