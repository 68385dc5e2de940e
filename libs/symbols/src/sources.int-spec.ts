import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SymbolTable } from '@perfleet/native-symbols';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDebuginfod } from './debuginfod.ts';
import { addressOf, buildIdOf, compileC, run } from './programs.fixture.ts';
import { createSymbolizer } from './symbolizer.ts';

const SOURCE = `
static volatile int sink;
static inline __attribute__((always_inline)) int price(int n) { return n * 3 + sink; }
static __attribute__((noinline)) int hidden(int n) { return price(n) + 1; }
int main(int argc, char **argv) { return hidden(argc); }
`;

describe('sources of symbols', () => {
  let dir: string;
  let program: string;
  let buildId: string;
  let hidden: bigint;
  const file = (name: string) => join(dir, name);

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'perfleet-sources-'));
    program = file('program');
    compileC(program, SOURCE, ['-O2']);
    buildId = buildIdOf(program);
    hidden = addressOf(program, 'hidden');
  }, 60_000);
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const look = async (path: string, debugPaths: string[] = []) => {
    const table = await SymbolTable.open(path, debugPaths);
    const found = await table.resolve(BigUint64Array.of(hidden));
    const names = Array.from(found.functions, (row) => found.strings[row]);
    return { source: table.source, quality: found.quality[0], names };
  };
  const WITH_LINES = { quality: 3, names: ['price', 'hidden'] };

  it('.gnu_debuglink: beside the binary and in .debug, by build id', async () => {
    mkdirSync(file('linked/.debug'), { recursive: true });
    const binary = file('linked/app');
    run('objcopy', ['--only-keep-debug', program, file('linked/.debug/app.debug')]);
    run('strip', ['-o', binary, program]);
    run('objcopy', [`--add-gnu-debuglink=${file('linked/.debug/app.debug')}`, binary]);
    expect(await look(binary)).toEqual({ source: 'separate-debug-info', ...WITH_LINES });
    compileC(file('linked/app.debug'), SOURCE, ['-O2', '-Wl,--build-id=0x0102030405']);
    expect(await look(binary)).toEqual({ source: 'separate-debug-info', ...WITH_LINES });
    rmSync(file('linked/.debug'), { recursive: true });
    expect((await look(binary)).quality).toBe(0);
  });

  it('.gnu_debuglink of a binary without build id: by checksum', async () => {
    mkdirSync(file('crc'));
    const whole = file('crc/whole');
    compileC(whole, SOURCE, ['-O2', '-Wl,--build-id=none']);
    const [binary, debug] = [file('crc/app'), file('crc/app.debug')];
    run('objcopy', ['--only-keep-debug', whole, debug]);
    run('strip', ['-o', binary, whole]);
    run('objcopy', [`--add-gnu-debuglink=${debug}`, binary]);
    expect((await look(binary)).source).toBe('separate-debug-info');
    writeFileSync(debug, Buffer.concat([readFileSync(debug), Buffer.of(0)]));
    expect((await look(binary)).quality).toBe(0);
  });

  it('.gnu_debugdata: names of what is not exported', async () => {
    const [binary, mini] = [file('mini'), file('mini.debug')];
    run('objcopy', [
      '-S',
      '--remove-section=.gnu_debuglink',
      '--keep-symbol=hidden',
      '--keep-symbol=main',
      program,
      mini,
    ]);
    run('xz', ['--keep', '--force', mini]);
    run('strip', ['-o', binary, program]);
    run('objcopy', [`--add-section=.gnu_debugdata=${mini}.xz`, binary]);
    expect(await look(binary)).toEqual({ source: 'mini-debug-info', quality: 2, names: ['hidden'] });
  });

  it('a broken .gnu_debugdata costs its own names only', async () => {
    const binary = file('mini-broken');
    writeFileSync(file('broken.xz'), readFileSync(file('mini.debug.xz')).subarray(0, 400));
    run('objcopy', ['--strip-debug', `--add-section=.gnu_debugdata=${file('broken.xz')}`, program, binary]);
    expect(await look(binary)).toEqual({ source: 'symtab', quality: 2, names: ['hidden'] });
  });

  it.each(['zlib-gabi', 'zlib-gnu', 'zstd'])('debug sections compressed with %s', async (how) => {
    const binary = file(`packed-${how}`);
    const many = Array.from({ length: 50 }, (_, i) => `int again_${i}(int n) { return n * ${i}; }\n`).join('');
    compileC(binary, SOURCE + many, ['-O2', `-Wl,--compress-debug-sections=${how}`]);
    const info = /\.z?debug_info.*\n.*\n.*\n.*/.exec(run('readelf', ['-tW', binary]))![0];
    expect(info).toMatch({ 'zlib-gabi': /ZLIB/, 'zlib-gnu': /zdebug/, zstd: /ZSTD/ }[how]!);
    const table = await SymbolTable.open(binary);
    const found = await table.resolve(BigUint64Array.of(addressOf(binary, 'hidden')));
    expect(Array.from(found.functions, (row) => found.strings[row])).toEqual(WITH_LINES.names);
    expect(table.source).toBe('debug-info');
  });

  it.each([4, 5])('DWARF %i', async (version) => {
    const binary = file(`dwarf-${version}`);
    compileC(binary, SOURCE, ['-O2', `-gdwarf-${version}`]);
    const table = await SymbolTable.open(binary);
    const found = await table.resolve(BigUint64Array.of(addressOf(binary, 'hidden')));
    expect(Array.from(found.functions, (row) => found.strings[row])).toEqual(WITH_LINES.names);
  });

  it('the directory of binaries comes before what the machine has', async () => {
    const store = file('store');
    mkdirSync(store);
    const binary = file('stripped');
    run('strip', ['-o', binary, program]);
    const query = { binaryId: `gnu:${buildId}`, path: binary, pids: [] };
    const quality = async () => (await createSymbolizer({ binariesDir: store }).resolve(query, [hidden]))[0]!.quality;
    expect(await quality()).toBe(0);
    run('objcopy', ['--only-keep-debug', program, join(store, `gnu-${buildId}.debug`)]);
    expect(await quality()).toBe(3);
    rmSync(join(store, `gnu-${buildId}.debug`));
    copyFileSync(program, join(store, `gnu-${buildId}`));
    expect(await quality()).toBe(3);
  });

  describe('debuginfod', () => {
    let server: Server;
    let url: string;
    let asked: string[] = [];
    let answer: (id: string) => { status: number; body?: Buffer };

    beforeAll(async () => {
      server = createServer((request, response) => {
        asked.push(request.url!);
        const id = /^\/buildid\/([0-9a-f]+)\/debuginfo$/.exec(request.url!)?.[1] ?? '';
        const { status, body } = answer(id);
        response.writeHead(status).end(body);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      run('strip', ['-o', file('bare'), program]);
      run('objcopy', ['--only-keep-debug', program, file('bare.debug')]);
    });
    afterAll(() => server.close());

    const resolve = async (path: string, cacheDir: string, maxBytes?: number) => {
      const warnings: string[] = [];
      const onWarning = (message: string) => warnings.push(message);
      const debuginfod = createDebuginfod({
        urls: [url],
        cacheDir: file(cacheDir),
        onWarning,
        ...(maxBytes ? { maxBytes } : {}),
      });
      const symbolizer = createSymbolizer({ debuginfod });
      const query = { binaryId: `gnu:${buildId}`, path, pids: [] };
      const [found] = await symbolizer.resolve(query, [hidden]);
      return { found: found!, warnings, again: () => symbolizer.resolve(query, [hidden]) };
    };

    it('names what the machine cannot, is asked once, and keeps the answer', async () => {
      asked = [];
      answer = (id) => (id === buildId ? { status: 200, body: readFileSync(file('bare.debug')) } : { status: 404 });
      const { found } = await resolve(file('bare'), 'cache-a');
      expect(found.chain.map(([name]) => name)).toEqual(['price', 'hidden']);
      expect(found.quality).toBe(3);
      await resolve(file('bare'), 'cache-a');
      expect(asked).toEqual([`/buildid/${buildId}/debuginfo`]);
    });

    it('stands for a binary that no machine has', async () => {
      const { found } = await resolve('/gone', 'cache-a');
      expect(found.chain.map(([name]) => name)).toEqual(['price', 'hidden']);
    });

    it('is not asked for binaries with debug information', async () => {
      asked = [];
      expect((await resolve(program, 'cache-b')).found.quality).toBe(3);
      expect(asked).toEqual([]);
    });

    it('that does not know is not asked again at once', async () => {
      asked = [];
      answer = () => ({ status: 404 });
      const { found, warnings, again } = await resolve('/gone', 'cache-c');
      expect(found).toEqual({ quality: 0, chain: [], reason: 'no file' });
      await again();
      expect(asked).toHaveLength(1);
      expect(warnings).toEqual([]);
    });

    it('that answers too much, something else or with an error leaves what the binary has', async () => {
      answer = () => ({ status: 200, body: readFileSync(file('bare.debug')) });
      const long = await resolve(file('bare'), 'cache-d', 1000);
      expect(long.found.quality).toBe(0);
      expect(long.warnings[0]).toContain('longer than 1000 bytes');
      expect(readdirSync(file('cache-d'))).toEqual([]);
      answer = () => ({ status: 500 });
      const failed = await resolve(file('bare'), 'cache-e');
      expect(failed.warnings[0]).toContain('answered 500');
      compileC(file('unrelated'), SOURCE, ['-O1', '-Wl,--build-id=0x99999999']);
      answer = () => ({ status: 200, body: readFileSync(file('unrelated')) });
      expect((await resolve(file('bare'), 'cache-f')).found.quality).toBe(0);
      expect((await resolve('/gone', 'cache-f')).found.quality).toBe(0);
    });

    it('keeps no more than its quota', async () => {
      answer = () => ({ status: 200, body: Buffer.alloc(1000) });
      const cacheDir = file('cache-g');
      const debuginfod = createDebuginfod({ urls: [url], cacheDir, quotaBytes: 2500 });
      const paths: string[] = [];
      for (const id of ['aaaaaa', 'bbbbbb', 'cccccc']) paths.push((await debuginfod.debugFile(id))!);
      expect(readdirSync(cacheDir)).toHaveLength(2);
      expect(existsSync(paths[2]!)).toBe(true);
    });
  });
});
