import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { identify } from '@perfleet/native-symbols';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSymbolizer } from './symbolizer.ts';

const SOURCE = `
#include <cstdint>
namespace shop {
static volatile uint64_t sink;
static inline __attribute__((always_inline)) uint64_t inner(uint64_t x) { return x * 2654435761u + sink; }
static inline __attribute__((always_inline)) uint64_t middle(uint64_t x) { return inner(x) ^ (x >> 7); }
struct Cart { __attribute__((noipa)) uint64_t total(uint64_t n) { uint64_t s = 0; for (uint64_t i = 0; i < n; i++) s += middle(i); return s; } };
}
int main() { shop::Cart cart; shop::sink = cart.total(100); }
`;

describe('symbols of a C++ program', () => {
  let dir: string;
  let program: string;
  let buildId: string;
  const symbol = (path: string, name: string) => {
    const line = execFileSync('nm', ['-S', path], { encoding: 'utf8' })
      .split('\n')
      .find((l) => l.endsWith(name))!;
    const [start, size] = line
      .split(' ')
      .slice(0, 2)
      .map((n) => BigInt(`0x${n}`));
    return { start: start!, size: Number(size!) };
  };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'perfleet-symbols-'));
    program = join(dir, 'cart');
    writeFileSync(join(dir, 'cart.cpp'), SOURCE);
    execFileSync('g++', ['-g', '-O2', '-Wl,--build-id', '-o', program, join(dir, 'cart.cpp')]);
    buildId = (await identify(program)).gnuBuildId;
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('gives the inline chain, files and lines that addr2line gives, for every address of a function', async () => {
    const { start, size } = symbol(program, '_ZN4shop4Cart5totalEm');
    const addresses = Array.from({ length: size }, (_, i) => start + BigInt(i));
    const resolved = await createSymbolizer().resolve(
      { binaryId: `gnu:${buildId}`, path: program, pids: [] },
      addresses,
    );
    let inlined = 0;
    let differ = 0;
    addresses.forEach((address, i) => {
      const lines = execFileSync('addr2line', ['-i', '-f', '-C', '-e', program, address.toString(16)], {
        encoding: 'utf8',
      })
        .trim()
        .split('\n');
      // Names of inlined functions are checked against the source below: binutils 2.40 names some after the function around them.
      const expected = [];
      for (let l = 1; l < lines.length; l += 2) expected.push(Number(/:(\d+)/.exec(lines[l]!)?.[1] ?? 0));
      const ours = resolved[i]!.chain;
      for (const [, file] of ours) expect(basename(file)).toBe('cart.cpp');
      expect(resolved[i]!.quality).toBe(3);
      const onLine: Record<number, string> = { 5: 'inner', 6: 'middle', 7: 'shop::Cart::total(unsigned long)' };
      for (const [name, , line] of ours) expect(name).toBe(onLine[line]);
      if (ours.length > 1) inlined++;
      if (ours.map(([, , line]) => line).join() !== expected.join()) differ++;
    });
    expect(inlined).toBeGreaterThan(5);
    expect(differ).toBe(0);
    expect(resolved[0]!.chain.at(-1)![0]).toBe('shop::Cart::total(unsigned long)');
  });

  it('falls back to symtab, and says that there is none', async () => {
    const stripped = join(dir, 'no-debug');
    execFileSync('strip', ['--strip-debug', '-o', stripped, program]);
    const { start } = symbol(stripped, '_ZN4shop4Cart5totalEm');
    const symbolizer = createSymbolizer();
    const [known] = await symbolizer.resolve({ binaryId: `gnu:${buildId}`, path: stripped, pids: [] }, [start]);
    expect(known).toMatchObject({ quality: 2, chain: [['shop::Cart::total(unsigned long)', '', 0]] });
    const bare = join(dir, 'bare');
    execFileSync('strip', ['-o', bare, program]);
    const [unknown] = await createSymbolizer().resolve({ binaryId: `gnu:${buildId}`, path: bare, pids: [] }, [start]);
    expect(unknown).toEqual({ quality: 0, chain: [], reason: 'no symbol' });
  });

  it('never takes a file with another build id', async () => {
    const [answer] = await createSymbolizer().resolve({ binaryId: 'gnu:00112233', path: program, pids: [] }, [1n]);
    expect(answer).toEqual({ quality: 0, chain: [], reason: 'build id differs' });
  });

  it('finds a binary by id in the directory, and through a process’s root', async () => {
    const { start } = symbol(program, '_ZN4shop4Cart5totalEm');
    copyFileSync(program, join(dir, `gnu-${buildId}`));
    const [byId] = await createSymbolizer({ binariesDir: dir }).resolve(
      { binaryId: `gnu:${buildId}`, path: '/gone', pids: [] },
      [start],
    );
    expect(byId!.quality).toBe(3);
    const [byRoot] = await createSymbolizer().resolve(
      { binaryId: `gnu:${buildId}`, path: program, pids: [process.pid] },
      [start],
    );
    expect(byRoot!.quality).toBe(3);
  });

  it('survives truncated and damaged files with at most one warning each', async () => {
    const bytes = readFileSync(program);
    let seed = 7;
    const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
    for (let round = 0; round < 150; round++) {
      const damaged = Buffer.from(round % 2 === 0 ? bytes.subarray(0, random(bytes.length)) : bytes);
      for (let flips = 0; flips < 20 && damaged.length > 0; flips++)
        damaged[random(Math.min(damaged.length, round % 4 === 1 ? 512 : damaged.length))] = random(256);
      const path = join(dir, `damaged-${round}`);
      writeFileSync(path, damaged);
      const warnings: string[] = [];
      const symbolizer = createSymbolizer({ onWarning: (message) => warnings.push(message) });
      const query = { binaryId: `path:${path}`, path, pids: [] };
      const first = await symbolizer.resolve(query, [0x1000n, 0x1150n]);
      await symbolizer.resolve(query, [0x1000n]);
      expect(first).toHaveLength(2);
      expect(warnings.length).toBeLessThanOrEqual(1);
      rmSync(path);
    }
  });
});
