import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SymbolTable } from '@perfleet/native-symbols';
import { requireTool } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from './programs.fixture.ts';

const SOURCE = `package main

import (
	"fmt"
	"os"
	"sort"
)

type Cart struct{ items []int }

var rates = []int{7, 5, 3}

func scale(x int) int { return rates[x%3] * x }

func twice(x int) int { return scale(x) + scale(x+1) }

//go:noinline
func (c *Cart) Total(n int) int {
	sum := 0
	for i := 0; i < n; i++ {
		sum += twice(i) ^ len(c.items)
	}
	return sum
}

func Sum[T int | float64](values []T) (sum T) {
	for _, v := range values {
		sum += v
	}
	return sum
}

func main() {
	c := &Cart{items: []int{3, 1, 2}}
	sort.Ints(c.items)
	fmt.Fprintln(os.Stdout, c.Total(10), Sum(c.items), Sum([]float64{1.5, 2}))
}
`;

const go = requireTool('go');

describe.skipIf(!go.available)(
  `Go binaries without symbols and debug information${go.reason && ` (skipped: ${go.reason})`}`,
  () => {
    let dir: string;
    beforeAll(() => {
      dir = mkdtempSync(join(tmpdir(), 'perfleet-go-'));
      writeFileSync(join(dir, 'go.mod'), 'module example.com/shop\n\ngo 1.21\n');
      writeFileSync(join(dir, 'main.go'), SOURCE);
    });
    afterAll(() => rmSync(dir, { recursive: true, force: true }));

    const build = (name: string, flags: readonly string[]) => {
      run('go', ['build', ...flags, '-o', name, '.'], { cwd: dir });
      return join(dir, name);
    };
    const chains = async (path: string, addresses: readonly bigint[]) => {
      const table = await SymbolTable.open(path);
      const found = await table.resolve(BigUint64Array.from(addresses));
      const line = (at: number) =>
        [found.strings[found.functions[at]!]!, found.strings[found.files[at]!]!, found.lines[at]!] as const;
      const rows = addresses.map((_, i) => {
        const length = found.offsets[i + 1]! - found.offsets[i]!;
        return Array.from({ length }, (_, k) => line(found.offsets[i]! + k));
      });
      return { source: table.source, rows };
    };

    it.each([
      ['an executable', []],
      ['a position-independent executable', ['-buildmode=pie']],
      ['an executable linked by gcc', ['-ldflags=-linkmode=external']],
    ])(
      '%s names functions, files and lines as the Go tools do of the whole one',
      async (_, flags) => {
        const strip = flags.find((flag) => flag.startsWith('-ldflags='))?.slice('-ldflags='.length) ?? '';
        const others = flags.filter((flag) => !flag.startsWith('-ldflags='));
        const whole = build('whole', flags);
        const stripped = build('stripped', [...others, `-ldflags=-s -w ${strip}`]);
        const functions = run('go', ['tool', 'nm', '-n', '-size', whole])
          .split('\n')
          .map((row) => /^\s*([0-9a-f]+)\s+(\d+)\s+[tT]\s+(.*)$/.exec(row))
          .filter((row) => row !== null && Number(row[2]) > 0 && /^[\w/]+(\.[\w/]+)*\.(\(|\w)/.test(row[3]!))
          .map((row) => ({ start: BigInt(`0x${row![1]}`), size: Number(row![2]), name: row![3]! }));
        // Linking with or without symbols may move the text; functions keep their order and sizes.
        const [wholeMain, strippedMain] = [whole, stripped].map(textAddress);
        const shift = strippedMain! - wholeMain!;
        const places = functions.flatMap(({ start, size, name }) =>
          [0, 0.3, 0.7].map((part) => ({ address: start + BigInt(Math.floor(size * part)), name })),
        );
        expect(places.length).toBeGreaterThan(4000);
        const input = places.map(({ address }) => `0x${address.toString(16)}`).join('\n');
        const expected = run('go', ['tool', 'addr2line', whole], { input }).split('\n');
        const { source, rows } = await chains(
          stripped,
          places.map(({ address }) => address + shift),
        );
        expect(source).toBe('go-table');
        const wrong: unknown[] = [];
        let lines = 0;
        places.forEach(({ address }, i) => {
          const [name, place] = [expected[2 * i]!, expected[2 * i + 1]!];
          const chain = rows[i]!;
          // The linker's own labels share their address with a function; addr2line knows no file for C and assembly of gcc.
          if (name === '?' || name.startsWith('runtime.text') || name.startsWith('runtime.etext') || place === '?:0')
            return;
          lines++;
          const [, file, line] = chain[0] ?? ['', '', 0];
          if (chain.at(-1)?.[0] !== name || `${file}:${line}` !== place)
            wrong.push([address.toString(16), name, place, chain]);
        });
        expect(wrong).toEqual([]);
        expect(lines).toBeGreaterThan(4000);
      },
      180_000,
    );

    it('give inlined calls as their debug information does', async () => {
      const whole = build('whole', []);
      const stripped = build('stripped', ['-ldflags=-s -w']);
      const row = run('go', ['tool', 'nm', '-size', whole])
        .split('\n')
        .find((line) => line.endsWith('main.(*Cart).Total'))!;
      const [, start, size] = /([0-9a-f]+)\s+(\d+)/.exec(row)!;
      const addresses = Array.from({ length: Number(size) }, (_, i) => BigInt(`0x${start}`) + BigInt(i));
      const ours = await chains(stripped, addresses);
      const dwarf = await chains(whole, addresses);
      expect([ours.source, dwarf.source]).toEqual(['go-table', 'debug-info']);
      expect(ours.rows).toEqual(dwarf.rows);
      const three = ours.rows.find((chain) => chain.length === 3)!;
      expect(three.map(([name]) => name)).toEqual(['main.scale', 'main.twice', 'main.(*Cart).Total']);
      expect(three.map(([, , line]) => line)).toEqual([13, 15, 21]);
    }, 60_000);

    it('survives damage to the table', async () => {
      const stripped = build('stripped', ['-ldflags=-s -w']);
      const bytes = readFileSync(stripped);
      const row = /\.gopclntab\s+PROGBITS\s+[0-9a-f]+\s+([0-9a-f]+)\s+([0-9a-f]+)/.exec(
        run('readelf', ['-SW', stripped]),
      )!;
      const [offset, size] = [Number.parseInt(row[1]!, 16), Number.parseInt(row[2]!, 16)];
      let seed = 11;
      const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
      for (let round = 0; round < 30; round++) {
        const damaged = Buffer.from(bytes);
        const within = round % 3 === 0 ? 72 : size;
        for (let i = 0; i < 2000; i++) damaged[offset + random(within)] = random(256);
        const path = join(dir, `damaged-${round}`);
        writeFileSync(path, damaged);
        // Whatever is answered, it is an answer.
        await SymbolTable.open(path).then((table) => table.close());
        rmSync(path);
      }
    }, 120_000);
  },
);

function textAddress(path: string): bigint {
  const header = /\s\.text\s+PROGBITS\s+([0-9a-f]+)/.exec(run('readelf', ['-SW', path]))!;
  return BigInt(`0x${header[1]}`);
}
