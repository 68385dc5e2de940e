import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SymbolTable } from '@perfleet/native-symbols';
import { requireTool } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareWithLlvm, DECIDED, textAddresses, type Comparison } from './llvm-compare.fixture.ts';
import { addressOf, compileC, run } from './programs.fixture.ts';

/** Addresses of each binary; `SYMBOL_CHECK_ADDRESSES=100000` for the long form. */
const ADDRESSES = Number(process.env['SYMBOL_CHECK_ADDRESSES'] ?? 4000);

/** Differences that are printed of each binary. */
const SHOWN = 3;

const CPP = `
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>
namespace shop {
template <typename T> struct Tree {
  struct Node { T value; std::unique_ptr<Node> left, right; };
  std::unique_ptr<Node> root;
  void insert(T value) {
    auto *at = &root;
    while (*at) at = value < (*at)->value ? &(*at)->left : &(*at)->right;
    *at = std::make_unique<Node>(Node{std::move(value), nullptr, nullptr});
  }
  template <typename F> void each(const F &f) const { walk(root.get(), f); }
 private:
  template <typename F> static void walk(const Node *n, const F &f) { if (n) { walk(n->left.get(), f); f(n->value); walk(n->right.get(), f); } }
};
namespace { int discount(int n) { return std::clamp(n / 3, 1, 9); } }
struct Base { virtual ~Base() = default; virtual int price(int n) const { return discount(n); } };
struct Book final : Base { int price(int n) const override { return Base::price(n) + 2; } };
}
int main(int argc, char **argv) {
  shop::Tree<std::string> names; shop::Tree<double> prices;
  std::map<std::string, std::vector<int>> index; std::unordered_map<int, std::string> back;
  std::regex word("[a-z]+([0-9]*)"); std::ostringstream out; std::unique_ptr<shop::Base> item = std::make_unique<shop::Book>();
  for (int i = 0; i < 1000; i++) {
    std::string name = "n" + std::to_string((i * 7919) % 1000);
    names.insert(name); prices.insert(item->price(i) * 1.5); index[name].push_back(i); back[i] = name;
    std::smatch m; if (std::regex_match(name, m, word)) out << m[1];
  }
  std::vector<int> v(1000); std::iota(v.begin(), v.end(), argc);
  std::sort(v.begin(), v.end(), [](int a, int b) { return a % 10 < b % 10; });
  std::function<int(int)> f = [&](int n) { return std::accumulate(v.begin(), v.begin() + n, 0); };
  names.each([&](const std::string &s) { out << s; }); prices.each([&](double p) { out << p; });
  std::cout << out.str().size() + f(100) << std::endl;
}
`;

const RUST = `
use std::collections::{BTreeMap, HashMap};
trait Price { fn price(&self, n: u64) -> u64; }
struct Book(u64);
impl Price for Book { #[inline(always)] fn price(&self, n: u64) -> u64 { self.0.wrapping_mul(n) ^ (n >> 3) } }
fn total<P: Price>(items: &[P], n: u64) -> u64 { items.iter().map(|p| p.price(n)).filter(|p| p % 3 != 1).sum() }
fn main() {
    let items: Vec<Book> = (0..100).map(Book).collect();
    let mut by_name: BTreeMap<String, u64> = BTreeMap::new();
    let mut counts: HashMap<u64, Vec<String>> = HashMap::new();
    for n in 0..1000u64 {
        let name = format!("n{:04}", n * 7919 % 1000);
        counts.entry(total(&items, n) % 17).or_default().push(name.clone());
        *by_name.entry(name).or_insert(0) += n;
    }
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by(|a, b| a.1.len().cmp(&b.1.len()).then_with(|| b.0.cmp(&a.0)));
    println!("{} {:?}", by_name.len(), all.first().map(|e| e.1.join(",").len()));
}
`;

const llvm = requireTool('llvm-symbolizer-14');

describe.skipIf(!llvm.available)(`answers as llvm-symbolizer${llvm.reason && ` (skipped: ${llvm.reason})`}`, () => {
  let dir: string;
  beforeAll(() => (dir = mkdtempSync(join(tmpdir(), 'perfleet-llvm-'))));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const compare = async (path: string): Promise<Comparison> => {
    const result = await compareWithLlvm('llvm-symbolizer-14', path, textAddresses(path, ADDRESSES));
    const kinds: Record<string, number> = {};
    for (const { kind } of result.differences) kinds[kind] = (kinds[kind] ?? 0) + 1;
    const { addresses, named, inlined } = result;
    process.stderr.write(`${path}: ${JSON.stringify({ addresses, named, inlined, differ: kinds })}\n`);
    const open = result.differences.filter(({ kind }) => !DECIDED.includes(kind));
    for (const difference of open.slice(0, SHOWN)) process.stderr.write(`  ${JSON.stringify(difference)}\n`);
    return result;
  };

  const expectEqual = ({ addresses, named, differences }: Comparison) => {
    expect(named).toBeGreaterThan(addresses / 4);
    const open = differences.filter(({ kind }) => !DECIDED.includes(kind));
    // There were none when this was written.
    expect(open.length / addresses).toBeLessThanOrEqual(0.0005);
  };

  it.each(['-O0', '-O2'])(
    'for a C++ program with templates, %s',
    async (level) => {
      const path = join(dir, `cpp${level}`);
      writeFileSync(`${path}.cpp`, CPP);
      run('g++', ['-g', '-std=c++17', level, '-o', path, `${path}.cpp`]);
      expectEqual(await compare(path));
    },
    600_000,
  );

  const rustc = requireTool('rustc');
  it.skipIf(!rustc.available)(
    `for a Rust program${rustc.reason && ` (skipped: ${rustc.reason})`}`,
    async () => {
      const path = join(dir, 'rust');
      writeFileSync(`${path}.rs`, RUST);
      run('rustc', ['-g', '-O', '-o', path, `${path}.rs`]);
      expectEqual(await compare(path));
    },
    600_000,
  );

  const libraries = ['libc.so.6', 'libstdc++.so.6'].map((name) => `/usr/lib/x86_64-linux-gnu/${name}`);
  it.each([process.execPath, ...libraries].filter((path) => existsSync(path)))(
    'for %s',
    async (path) => {
      expectEqual(await compare(realpathSync(path)));
    },
    600_000,
  );

  /** Whole chains of one address, from us, llvm-symbolizer and binutils. */
  const three = async (path: string, address: bigint, debugPaths: readonly string[] = []) => {
    const table = await SymbolTable.open(path, debugPaths);
    const found = await table.resolve(BigUint64Array.of(address));
    const hex = `0x${address.toString(16)}`;
    const [theirs] = run('llvm-symbolizer-14', [`--obj=${path}`, hex]).split('\n');
    const [binutils] = run('addr2line', ['-f', '-e', debugPaths[0] ?? path, hex]).split('\n');
    return { ours: found.strings[found.functions[0]!], theirs, binutils };
  };

  it('but names the part that was moved away after its function, as the debug information does', async () => {
    const path = join(dir, 'cold');
    const source = `#include <stdlib.h>
      __attribute__((cold, noreturn, noinline)) void stop(int n) { exit(n); }
      __attribute__((noinline)) int hot(int n) { if (n > 100) { n *= n; stop(n); } return n * 7; }
      int main(int c, char **v) { return hot(c); }`;
    compileC(path, source, ['-O2']);
    const cold = addressOf(path, 'hot.cold');
    const subprogram = run('readelf', ['--debug-dump=info', path])
      .split('DW_TAG_subprogram')
      .find((die) => /: hot$/m.test(die))!;
    // One function of several ranges: there is no function `hot.cold` in the debug information.
    expect(subprogram).toContain('DW_AT_ranges');
    expect(await three(path, cold)).toEqual({ ours: 'hot', theirs: 'hot.cold', binutils: 'hot' });
  });

  it('but takes a label inside a function for a part of it', async () => {
    const path = join(dir, 'label');
    const source = `__asm__(".text\\n.type by_hand, @function\\nby_hand: nop\\nnop\\ninside: nop\\nret\\n.size by_hand, .-by_hand\\n");
      int main(void) { return 0; }`;
    compileC(path, source, ['-g0']);
    const symbols = run('nm', ['-S', path]);
    // The symbol table says of the function that it goes on beyond the label, and of the label nothing.
    expect(symbols).toMatch(/^[0-9a-f]+ 0*4 t by_hand$/m);
    expect(symbols).toMatch(/^[0-9a-f]+ t inside$/m);
    expect(await three(path, addressOf(path, 'inside'))).toMatchObject({ ours: 'by_hand', theirs: 'inside' });
  });

  it('for a function that the line table has and the debug information does not', async () => {
    const path = join(dir, 'lines-only');
    const source = `int start(void) { return 1; }
      int main(void) { return start(); }
      __asm__(".text\\n.type by_hand, @function\\nby_hand:\\n.loc 1 77\\nnop\\n.loc 1 78\\nret\\n.size by_hand, .-by_hand\\n");`;
    compileC(path, source, ['-fno-toplevel-reorder']);
    expect(run('readelf', ['--debug-dump=info', path])).not.toContain('by_hand');
    const address = addressOf(path, 'by_hand');
    const { differences, named } = await compareWithLlvm('llvm-symbolizer-14', path, [address, address + 1n]);
    expect([differences, named]).toEqual([[], 2]);
    const table = await SymbolTable.open(path, []);
    const { lines } = await table.resolve(BigUint64Array.of(address, address + 1n));
    table.close();
    expect([...lines]).toEqual([77, 78]);
  });

  it('but reads the symbol table of a debug file too', async () => {
    const [path, stripped, debug] = ['asm', 'asm.stripped', 'asm.debug'].map((name) => join(dir, name)) as [
      string,
      string,
      string,
    ];
    const source = `int start(void) { return 1; }
      __asm__(".text\\n.type by_hand, @function\\nby_hand: nop\\nnop\\nret\\n.size by_hand, .-by_hand\\n");
      int main(void) { return start(); }`;
    compileC(path, source);
    run('objcopy', ['--only-keep-debug', path, debug]);
    run('strip', ['-o', stripped, path]);
    run('objcopy', [`--add-gnu-debuglink=${debug}`, stripped]);
    const address = addressOf(path, 'by_hand') + 1n;
    expect(await three(stripped, address, [debug])).toEqual({ ours: 'by_hand', theirs: '??', binutils: 'by_hand' });
  });
});
