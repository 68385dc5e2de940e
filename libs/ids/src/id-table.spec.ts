import { describe, expect, it } from 'vitest';
import { halvesOf, IdTable } from './id-table.ts';

describe('IdTable', () => {
  it('numbers ids in the order they come, through growth and with ids that differ in one half only', () => {
    const table = new IdTable();
    const known = new Map<bigint, number>();
    let seed = 1n;
    for (let i = 0; i < 20_000; i++) {
      seed = BigInt.asUintN(64, seed * 6364136223846793005n + 1442695040888963407n);
      // Every fourth id repeats, others share a half.
      const id =
        i % 4 === 0
          ? ([...known.keys()][known.size >> 1] ?? 0n)
          : i % 4 === 1
            ? seed & 0xffffffffn
            : seed & ~0xffffffffn;
      const [low, high] = halvesOf(BigUint64Array.of(id));
      if (!known.has(id)) {
        expect(table.find(low!, high!)).toBe(-1);
        known.set(id, known.size);
      }
      if (table.add(low!, high!) !== known.get(id)) expect.fail(`id ${id}`);
      if (i > 3000) i += 37;
    }
    for (const [id, at] of known) {
      const [low, high] = halvesOf(BigUint64Array.of(id));
      if (table.find(low!, high!) !== at || table.id(at) !== id) expect.fail(`id ${id} is not number ${at}`);
    }
    expect(table.length).toBe(known.size);
  });

  it('knows the id 0', () => {
    const table = new IdTable();
    expect(table.find(0, 0)).toBe(-1);
    expect(table.add(0, 0)).toBe(0);
    expect(table.find(0, 0)).toBe(0);
  });
});
