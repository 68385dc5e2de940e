import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { identify, SymbolTable } from '@perfleet/native-symbols';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LocalBinaries } from './local-binaries.ts';
import { createSymbolizer } from './symbolizer.ts';

describe('binaries of this machine', () => {
  let dir: string;
  let program: string;
  let buildId: string;
  let main: bigint;
  const children: ChildProcess[] = [];

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'perfleet-binaries-'));
    program = join(dir, 'program');
    writeFileSync(join(dir, 'a.c'), '#include <unistd.h>\nint main(void) { return pause(); }');
    execFileSync('gcc', ['-g', '-static', '-Wl,--build-id', '-o', program, join(dir, 'a.c')]);
    buildId = /Build ID: ([0-9a-f]+)/.exec(execFileSync('readelf', ['-n', program], { encoding: 'utf8' }))![1]!;
    main = symbolAddress(program, / T main$/);
  });
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  const symbolAddress = (path: string, pattern: RegExp) => {
    const lines = execFileSync('nm', [path], { encoding: 'utf8', maxBuffer: 1 << 28 }).split('\n');
    return BigInt(`0x${lines.find((line) => pattern.test(line))!.split(' ')[0]}`);
  };

  it('are found inside the root of a process that has one of its own', async () => {
    const root = join(dir, 'root');
    mkdirSync(join(root, 'opt'), { recursive: true });
    copyFileSync(program, join(root, 'opt/only-inside'));
    const child = spawn('chroot', [root, '/opt/only-inside'], { stdio: 'ignore' });
    children.push(child);
    await expect
      .poll(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8').trim(), { timeout: 10_000 })
      .toBe('only-inside');
    const query = { binaryId: `gnu:${buildId}`, path: '/opt/only-inside', pids: [4_194_303, child.pid!] };
    const [found] = await createSymbolizer().resolve(query, [main]);
    expect(found).toMatchObject({ quality: 3, chain: [['main', join(dir, 'a.c'), 2]] });
    const [climbed] = await createSymbolizer().resolve({ ...query, path: `/../../../..${program}` }, [main]);
    expect(climbed).toEqual({ quality: 0, chain: [], reason: 'no file' });
  });

  it('take names from a separate debug file of the same build id only', async () => {
    const [stripped, debug, other] = [join(dir, 'stripped'), join(dir, 'program.debug'), join(dir, 'other.debug')];
    execFileSync('objcopy', ['--only-keep-debug', program, debug]);
    execFileSync('strip', ['-o', stripped, program]);
    execFileSync('gcc', ['-g', '-static', '-DOTHER', '-Wl,--build-id=0x0102', '-o', other, join(dir, 'a.c')]);
    const quality = async (debugPaths: string[]) =>
      (await (await SymbolTable.open(stripped, debugPaths)).resolve(BigUint64Array.of(main))).quality[0];
    expect(await quality([])).toBe(0);
    expect(await quality([join(dir, 'absent'), other])).toBe(0);
    expect(await quality([other, debug])).toBe(3);
  });

  it('are held to their hash where they have no build id', async () => {
    const bytes = readFileSync(program);
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(statSync(program).size));
    const parts = Buffer.concat([bytes.subarray(0, 4096), bytes.subarray(-4096), length]);
    const expected = createHash('sha256').update(parts).digest('hex').slice(0, 32);
    expect((await identify(program)).htlHash).toBe(expected);
    const source = new LocalBinaries();
    expect(await source.locate({ binaryId: `htl:${expected}`, path: program, pids: [] })).toMatchObject({
      path: program,
    });
    const changed = join(dir, 'changed');
    writeFileSync(changed, Buffer.concat([bytes, Buffer.of(0)]));
    expect(await source.locate({ binaryId: `htl:${expected}`, path: changed, pids: [] })).toEqual({
      reason: 'build id differs',
    });
  });

  it('give exported names only when they are stripped, and demangled ones in Rust', async () => {
    const source = join(dir, 'lib.c');
    const library = join(dir, 'lib.so');
    writeFileSync(source, 'static int inner(int x) { return x * 3; } int shown(int x) { return inner(x) + 1; }');
    execFileSync('gcc', ['-shared', '-fPIC', '-s', '-o', library, source]);
    const [line] = execFileSync('nm', ['-D', library], { encoding: 'utf8' })
      .split('\n')
      .filter((l) => l.endsWith(' shown'));
    const query = { binaryId: `path:${library}`, path: library, pids: [] };
    const [shown] = await createSymbolizer().resolve(query, [BigInt(`0x${line!.split(' ')[0]}`)]);
    expect(shown).toEqual({ quality: 1, chain: [['shown', '', 0]] });

    const addon = join(
      dirname(createRequire(import.meta.url).resolve('@perfleet/native-symbols')),
      'perfleet-symbols.node',
    );
    const address = symbolAddress(addon, / t _(ZN|R)\w*perfleet_symbols\w*Table\w*resolve/);
    const [rust] = await createSymbolizer().resolve({ binaryId: `path:${addon}`, path: addon, pids: [] }, [address]);
    expect(rust!.chain.at(-1)![0]).toMatch(/^<?perfleet_symbols::[\w:>]*Table>?::resolve/);
  });

  it('are warned of once each', async () => {
    const bad = join(dir, 'bad');
    writeFileSync(bad, 'not a binary');
    const warnings: string[] = [];
    const symbolizer = createSymbolizer({ onWarning: (message) => warnings.push(message) });
    for (let i = 0; i < 3; i++) await symbolizer.resolve({ binaryId: `path:${bad}`, path: bad, pids: [] }, [1n]);
    await symbolizer.resolve({ binaryId: 'path:/absent', path: '/absent', pids: [] }, [1n]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(bad);
  });
});
