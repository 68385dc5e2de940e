import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SymbolTable } from '@perfleet/native-symbols';
import { requireTool } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareWithLlvm, DECIDED, textAddresses } from './llvm-compare.fixture.ts';
import { addressOf, run } from './programs.fixture.ts';

const HEADER = `
#include <algorithm>
#include <map>
#include <string>
#include <vector>
namespace shop {
int total(std::vector<int> &prices);
template <typename T> inline T doubled(T n) { return n * 2 + (n >> 3); }
}
`;
const TOTAL = `#include "shop.h"
namespace { inline __attribute__((always_inline)) int fee(int n) { return shop::doubled(n) + 7; } }
int shop::total(std::vector<int> &prices) {
  std::map<int, std::string> names;
  std::sort(prices.begin(), prices.end(), [](int a, int b) { return a % 10 < b % 10; });
  int sum = 0;
  for (int price : prices) { sum += fee(price); names[price] += std::to_string(price); }
  return sum + static_cast<int>(names.size());
}
`;
const MAIN = `#include "shop.h"
int main(int argc, char **) { std::vector<int> prices(100, argc); return shop::doubled(shop::total(prices)); }
`;
const [clang, llvm] = [requireTool('clang++'), requireTool('llvm-symbolizer-14')];
const reason = clang.reason || llvm.reason;

describe.skipIf(reason !== '')(`split DWARF${reason && ` (skipped: ${reason})`}`, () => {
  let dir: string;
  beforeAll(() => (dir = mkdtempSync(join(tmpdir(), 'perfleet-split-'))));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  /** A program of two units, its `.dwo` files in the directory that it was built in. */
  const build = (name: string, compiler: string, flags: readonly string[]) => {
    const cwd = join(dir, name);
    mkdirSync(cwd);
    writeFileSync(join(cwd, 'shop.h'), HEADER);
    for (const [unit, source] of Object.entries({ total: TOTAL, main: MAIN })) {
      writeFileSync(join(cwd, `${unit}.cc`), source);
      run(compiler, ['-g', '-gsplit-dwarf', '-O2', ...flags, '-c', `${unit}.cc`], { cwd });
    }
    run(compiler, ['-Wl,--build-id', '-o', 'app', 'total.o', 'main.o'], { cwd });
    return { cwd, app: join(cwd, 'app') };
  };
  const pack = (cwd: string) => {
    run('timeout', ['30', 'llvm-dwp-14', '-e', 'app', '-o', 'app.dwp'], { cwd });
    for (const unit of ['total', 'main']) rmSync(join(cwd, `${unit}.dwo`));
  };
  const expectAsLlvm = async (app: string) => {
    const { named, inlined, addresses, differences } = await compareWithLlvm(
      'llvm-symbolizer-14',
      app,
      textAddresses(app, 4000),
    );
    const open = differences.filter(({ kind }) => !DECIDED.includes(kind));
    expect(open.slice(0, 3)).toEqual([]);
    expect(named).toBeGreaterThan(addresses * 0.9);
    expect(inlined).toBeGreaterThan(addresses * 0.1);
  };
  /** Whole chain of an address of `shop::total`, in the middle of it. */
  const look = async (app: string, debugPaths: readonly string[] = []) => {
    const table = await SymbolTable.open(app, debugPaths);
    const start = addressOf(join(app, '..', 'app'), '_ZN4shop5totalERSt6vectorIiSaIiEE');
    const found = await table.resolve(BigUint64Array.from({ length: 200 }, (_, i) => start + BigInt(i)));
    const { problem, source } = table;
    table.close();
    return {
      names: new Set(Array.from(found.functions, (row) => found.strings[row]!)),
      lines: new Set(found.lines).size,
      problem,
      source,
    };
  };

  it.each([
    ['g++', 5],
    ['g++', 4],
    ['clang++', 5],
    ['clang++', 4],
  ])(
    'of %s, DWARF %i: .dwo files, then a package, as llvm-symbolizer',
    async (compiler, version) => {
      const { cwd, app } = build(`${compiler}-${version}`, compiler, [`-gdwarf-${version}`]);
      await expectAsLlvm(app);
      // Of GCC's DWARF 5, llvm-dwp 14 does not end, and binutils' dwp crashes.
      if (compiler === 'g++' && version === 5) return;
      pack(cwd);
      await expectAsLlvm(app);
    },
    60_000,
  );

  it('compressed, and of a stripped binary with a debug file', async () => {
    const { cwd, app } = build('packed', 'g++', ['-gz']);
    run('objcopy', ['--only-keep-debug', 'app', 'app.debug'], { cwd });
    run('strip', ['-o', 'bare', 'app'], { cwd });
    const { names, source } = await look(join(cwd, 'bare'), [`${app}.debug`]);
    expect(source).toBe('separate-debug-info');
    expect(names).toContain('shop::total(std::vector<int, std::allocator<int> >&)');
    expect(names.size).toBeGreaterThan(3);
  });

  it('whose files are elsewhere: beside the binary, in the store by build id, or only lines and symbols', async () => {
    const { cwd, app } = build('moved', 'g++', ['-gdwarf-4']);
    const [elsewhere, store] = [join(dir, 'elsewhere'), join(dir, 'store')];
    const inlined = await look(app);
    expect(inlined.names.size).toBeGreaterThan(3);
    run('timeout', ['30', 'llvm-dwp-14', '-e', 'app', '-o', 'packed'], { cwd });
    mkdirSync(store);
    renameSync(cwd, elsewhere);
    const moved = join(elsewhere, 'app');
    expect(await look(moved)).toEqual(inlined);

    for (const unit of ['total', 'main']) rmSync(join(elsewhere, `${unit}.dwo`));
    const without = await look(moved);
    expect([...without.names]).toContain('shop::total(std::vector<int, std::allocator<int> >&)');
    expect(without.names).not.toContain('doubled<int>');
    expect(without.lines).toBeGreaterThan(3);
    expect(without.problem).toMatch(/^2 of its 2 units are in files that are not here, as .*\.dwo$/);

    copyFileSync(join(elsewhere, 'packed'), join(store, 'gnu-1234.dwp'));
    expect(await look(moved, [join(store, 'gnu-1234.debug')])).toEqual(inlined);
  });

  it('of another build is not taken, and a broken one costs only its own names', async () => {
    const { cwd, app } = build('other', 'g++', []);
    writeFileSync(join(cwd, 'total.cc'), TOTAL.replace('+ 7', '+ 8'));
    run('g++', ['-g', '-gsplit-dwarf', '-O2', '-c', 'total.cc', '-o', 'total.o'], { cwd });
    const { names, problem } = await look(app);
    expect(names).not.toContain('doubled<int>');
    expect(problem).toContain('1 of its 2 units');
    writeFileSync(join(cwd, 'total.dwo'), 'no ELF file');
    expect((await look(app)).problem).toContain('total.dwo: ');
  });
});
