import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { identify, slimBinary, SymbolTable } from '@perfleet/native-symbols';
import { requireTool, tempDir, waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileC, WAITING_PROGRAM } from './programs.fixture.ts';

const SOURCE = `
#include <algorithm>
#include <string>
#include <vector>
namespace shop { struct Cart { std::vector<std::string> items; [[gnu::noinline]] int total(int n) {
  std::sort(items.begin(), items.end());
  int sum = 0;
  for (auto& item : items) sum += int(item.size()) * n;
  return sum; } }; }
int main(int argc, char** argv) { shop::Cart cart; for (int i = 0; i < argc; i++) cart.items.push_back(argv[i]); return cart.total(argc); }
`;

const dir = tempDir('perfleet-slim-');
afterAll(() => dir.remove());
let files = 0;
const go = requireTool('go');

/** Names, files, lines and inlined calls of addresses all over the code. */
async function answers(path: string, addresses: BigUint64Array) {
  const table = await SymbolTable.open(path);
  const found = await table.resolve(addresses);
  const { source, problem, gnuBuildId } = table;
  const rows = [...found.functions].map(
    (name, i) => `${found.strings[name]} ${found.strings[found.files[i]!]}:${found.lines[i]}`,
  );
  table.close();
  return { source, problem, gnuBuildId, offsets: [...found.offsets], rows, quality: [...found.quality] };
}

/** Every 7th byte of the executable sections. */
function codeAddresses(path: string): BigUint64Array {
  const rows = execFileSync('readelf', ['-SW', path], { encoding: 'utf8' }).matchAll(
    /PROGBITS +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+) \w+ +AX/g,
  );
  const all: bigint[] = [];
  for (const [, start, size] of rows) {
    const step = Math.max(7, Math.floor(parseInt(size!, 16) / 4_000));
    for (let at = 0; at < parseInt(size!, 16); at += step) all.push(BigInt(`0x${start}`) + BigInt(at));
  }
  return BigUint64Array.from(all);
}

async function expectSameNames(path: string) {
  const target = join(dir.path, `slim-${files++}`);
  const [planned, slim] = [await slimBinary(path), await slimBinary(path, target)];
  const bytes = readFileSync(target);
  expect(planned).toEqual({ ...slim, sha256: '' });
  expect([slim.bytes, slim.sha256]).toEqual([bytes.length, createHash('sha256').update(bytes).digest('hex')]);
  const [full, small] = [await identify(path, true), await identify(target, true)];
  expect([slim.gnuBuildId, slim.content]).toEqual([full.gnuBuildId, full.content]);
  expect([small.gnuBuildId, small.content]).toEqual([full.gnuBuildId, '']);
  const addresses = codeAddresses(path);
  const expected = await answers(path, addresses);
  expect(await answers(target, addresses)).toEqual(expected);
  expect(expected.quality.filter((quality) => quality > 0).length).toBeGreaterThan(addresses.length / 4);
  expect(execFileSync('readelf', ['-SWl', target], { encoding: 'utf8', stdio: 'pipe' })).toContain('LOAD');
  return { target, share: bytes.length / statSync(path).size, source: expected.source };
}

describe('a binary without its code and data', () => {
  let program: string;
  beforeAll(() => {
    program = join(dir.path, 'shop');
    writeFileSync(`${program}.cc`, SOURCE);
    execFileSync('g++', ['-g', '-O2', '-pie', '-Wl,--build-id', '-o', program, `${program}.cc`]);
  });

  it.skipIf(process.getuid?.() !== 0)(
    'of a stripped one holds what its debug file says, where that is installed in the same root (needs root for chroot)',
    async () => {
      const root = join(dir.path, 'root');
      const [stripped, debug] = [join(root, 'opt/shop'), join(dir.path, 'shop.debug')];
      mkdirSync(dirname(stripped), { recursive: true });
      execFileSync('objcopy', ['--only-keep-debug', program, debug]);
      execFileSync('strip', ['-o', stripped, program]);
      const { gnuBuildId, content } = await identify(program, true);
      const installed = join(root, `usr/lib/debug/.build-id/${gnuBuildId.slice(0, 2)}/${gnuBuildId.slice(2)}.debug`);
      mkdirSync(dirname(installed), { recursive: true });
      // A process in another root, as a container's is.
      const sleeper = join(root, 'sleeper');
      compileC(sleeper, WAITING_PROGRAM);
      const child = spawn('chroot', [root, '/sleeper'], { stdio: 'ignore' });
      try {
        await waitFor(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8') === 'sleeper\n', {
          ...{ timeoutMs: 30_000, what: 'the process' },
        });
        const place = `/proc/${child.pid}/root/opt/shop`;
        const [bare, target] = [await slimBinary(place), join(dir.path, 'slim-of-debug')];
        copyFileSync(debug, installed);
        const slim = await slimBinary(place, target);
        expect(slim).toMatchObject({ gnuBuildId, content });
        expect(slim.bytes).toBeGreaterThan(bare.bytes);
        const addresses = codeAddresses(program);
        const [expected, found] = [await answers(program, addresses), await answers(target, addresses)];
        expect(found.rows).toEqual(expected.rows);

        // Another program's debug file at its place is none.
        compileC(installed, 'int main(void) { return 0; }');
        expect(await slimBinary(place)).toEqual(bare);
      } finally {
        child.kill('SIGKILL');
      }
    },
  );

  it('gives the same names, files, lines and inlined calls', async () => {
    expect((await expectSameNames(program)).source).toBe('debug-info');
  });

  it('whose debug information is compressed, or that is linked to fixed addresses, too', async () => {
    for (const options of [['-gz'], ['-no-pie'], ['-gdwarf-4'], ['-g0']]) {
      const path = `${program}${files}`;
      execFileSync('g++', ['-g', '-O2', '-Wl,--build-id', ...options, '-o', path, `${program}.cc`]);
      await expectSameNames(path);
    }
  });

  it('that was stripped is its exported names', async () => {
    const libc = /=> (\S*libc\.so\.6)/.exec(execFileSync('ldd', ['/bin/ls'], { encoding: 'utf8' }))![1]!;
    // Without a build id, so that a debug file of libc that is installed here is not its.
    const copy = join(dir.path, 'libc');
    execFileSync('objcopy', ['--remove-section=.note.gnu.build-id', libc, copy]);
    const { share, source } = await expectSameNames(copy);
    expect(source).toBe('dynamic');
    expect(share).toBeLessThan(0.2);
  });

  it.skipIf(!go.available)(
    `of Go keeps its line table and inlined calls${go.reason && ` (skipped: ${go.reason})`}`,
    async () => {
      const path = join(dir.path, 'gopher');
      const source =
        'package main\nimport "fmt"\nfunc add(a, b int) int { return a + b }\nfunc main() { fmt.Println(add(1, 2)) }\n';
      writeFileSync(`${path}.go`, source);
      for (const mode of ['exe', 'pie'] as const) {
        const flags = ['-ldflags=-s -w -B 0x1122334455', `-buildmode=${mode}`];
        execFileSync('go', ['build', ...flags, '-o', path, `${path}.go`]);
        expect((await expectSameNames(path)).source).toBe('go-table');
      }
    },
    // Go compiles its own library for each mode, once.
    600_000,
  );

  it('that names nothing is not worth a file', async () => {
    const path = join(dir.path, 'nameless');
    writeFileSync(`${path}.s`, '.globl _start\n_start: ret\n');
    execFileSync('gcc', ['-nostdlib', '-static', '-s', '-Wl,--build-id', '-o', path, `${path}.s`]);
    expect((await slimBinary(path, `${path}.slim`)).bytes).toBe(0);
    expect(() => statSync(`${path}.slim`)).toThrow();
  });

  it('is refused with a reason where it ends anywhere or claims absurd sizes', async () => {
    const size = statSync(program).size;
    const broken = join(dir.path, 'broken');
    for (let length = 0; length < size; length += Math.ceil(size / 40)) {
      copyFileSync(program, broken);
      truncateSync(broken, length);
      await expect(slimBinary(broken, `${broken}.slim`)).rejects.toThrow(broken);
    }
    const bytes = readFileSync(program);
    const table = Number(bytes.readBigUInt64LE(40));
    for (const value of [1n << 62n, (1n << 64n) - 1n, BigInt(size)])
      for (const field of [24, 32]) {
        const patched = Buffer.from(bytes);
        for (let row = 1; row < bytes.readUInt16LE(60); row++)
          patched.writeBigUInt64LE(value, table + 64 * row + field);
        writeFileSync(broken, patched);
        await expect(slimBinary(broken, `${broken}.slim`)).rejects.toThrow(broken);
      }
  });
});
