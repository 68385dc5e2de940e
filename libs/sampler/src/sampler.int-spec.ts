import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samplerBinaryPath } from './binary-path.ts';
import type { SamplerHello } from './messages.ts';
import { spawnSampler, type SamplerExit } from './sampler-process.ts';
import { NO_BINARY, type Window } from './window.ts';

const SOURCE = `
#include <stdint.h>
static uint64_t spin(uint64_t n, uint64_t x) { for (; n; n--) x = x * 6364136223846793005ULL + 1; return x; }
__attribute__((noinline)) uint64_t hot_seventy(uint64_t x) { return spin(70000, x) + 1; }
__attribute__((noinline)) uint64_t cold_thirty(uint64_t x) { return spin(30000, x) + 2; }
int main(void) { volatile uint64_t x = 1; for (;;) { x = hot_seventy(x); x = cold_thirty(x); } }
`;

const binary = samplerBinaryPath();
const reason = process.getuid?.() !== 0 ? 'needs root' : existsSync(binary) ? '' : 'the native build is missing';

/** The real sampler on the real kernel. */
describe.skipIf(reason !== '')(`perfleet-sampler${reason && ` (skipped: ${reason})`}`, () => {
  let dir: string;
  let burn: ChildProcess;
  const symbols: Array<{ name: string; start: bigint; end: bigint }> = [];

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'perfleet-sampler-'));
    writeFileSync(join(dir, 'burn.c'), SOURCE);
    execFileSync('gcc', ['-O0', '-Wl,--build-id', '-o', join(dir, 'burn'), join(dir, 'burn.c')]);
    for (const line of execFileSync('nm', ['-S', join(dir, 'burn')], { encoding: 'utf8' }).split('\n')) {
      const [start, size, , name] = line.split(' ');
      if (name) symbols.push({ name, start: BigInt(`0x${start}`), end: BigInt(`0x${start}`) + BigInt(`0x${size}`) });
    }
    burn = spawn(join(dir, 'burn'), { stdio: 'ignore' });
  });
  afterAll(() => {
    burn?.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  /** Runs until `done`, then stops; every window it wrote. */
  async function sample(
    args: string[],
    done: (windows: Window[]) => boolean,
    program = binary,
  ): Promise<{ hello: SamplerHello; windows: Window[]; exit: SamplerExit }> {
    const sampler = spawnSampler({ binary: program, args });
    const windows: Window[] = [];
    let hello!: SamplerHello;
    sampler.on('hello', (said) => (hello = said));
    sampler.on('window', (window) => {
      windows.push(window);
      if (done(windows)) void sampler.stop();
    });
    const exit = await new Promise<SamplerExit>((resolve) => sampler.once('exit', resolve));
    return { hello, windows, exit };
  }
  const total = (windows: readonly Window[]) =>
    windows.reduce((sum, w) => sum + w.samples.count.reduce((a, b) => a + b, 0), 0);

  it('finds the known shares of a known program, with its build id, thread and cgroup', async () => {
    const { hello, windows, exit } = await sample(
      ['--rung', '2', '--rate', '199', '--window', '1', '--pid', String(burn.pid)],
      (seen) => total(seen) > 600,
    );
    expect(exit).toMatchObject({ code: 0, requested: true });
    expect(hello).toMatchObject({ protocol: 1, rung: 2, rateHz: 199 });
    const shares = new Map<string, number>();
    for (const window of windows) {
      const { frames, binaries, stacks, samples, strings, processes } = window;
      for (let i = 0; i < samples.stack.length; i++) {
        const owner = samples.process[i]!;
        expect(processes.pid[owner]).toBe(burn.pid);
        expect(strings[processes.executable[owner]!]).toBe(join(dir, 'burn'));
        expect(strings[processes.cgroupFile[owner]!]).toMatch(/^\d+:/m);
        expect(strings[samples.thread[i]!]).toBe('burn');
        const stack = samples.stack[i]!;
        const names = [...window.stacks.frame.slice(stacks.offset[stack], stacks.offset[stack + 1])].map((frame) => {
          if (frames.binary[frame] === NO_BINARY || !strings[binaries.path[frames.binary[frame]!]!]!.endsWith('/burn'))
            return '';
          expect(strings[binaries.gnuBuildId[frames.binary[frame]!]!]).toMatch(/^[0-9a-f]{40}$/);
          return symbols.find((s) => frames.address[frame]! >= s.start && frames.address[frame]! < s.end)?.name ?? '';
        });
        for (const name of new Set(names)) shares.set(name, (shares.get(name) ?? 0) + samples.count[i]!);
      }
    }
    const all = total(windows);
    expect((100 * shares.get('hot_seventy')!) / all).toBeGreaterThan(65);
    expect((100 * shares.get('hot_seventy')!) / all).toBeLessThan(75);
    expect((100 * shares.get('cold_thirty')!) / all).toBeGreaterThan(25);
    expect((100 * shares.get('main')!) / all).toBeGreaterThan(95);
  });

  it('sees the whole system, names the kernel, and counts: taken = samples + lost, window by window', async () => {
    // Spends its time in the kernel, which the other program hardly enters.
    const copy = spawn('dd', ['if=/dev/zero', 'of=/dev/null', 'bs=1M'], { stdio: 'ignore' });
    const { windows } = await sample(['--rate', '99', '--window', '1'], (seen) => seen.length === 3);
    copy.kill();
    let before = { taken: 0, lost: 0 };
    for (const window of windows) {
      const lost = Object.values(window.lost).reduce((a, b) => a + b, 0);
      expect(window.taken - before.taken).toBe(total([window]) + lost - before.lost);
      before = { taken: window.taken, lost };
    }
    expect(windows.at(-1)!.last).toBe(true);
    expect(before.taken).toBeGreaterThan(100);
    const pids = new Set(windows.flatMap((w) => [...w.processes.pid]));
    expect(pids.has(burn.pid!)).toBe(true);
    expect(pids.has(0)).toBe(false);
    const kernel = windows.flatMap((w) =>
      [...w.frames.kind.keys()]
        .filter((f) => w.strings[w.frames.kind[f]!] === 'kernel')
        .map((f) => w.strings[w.frames.function[f]!]!),
    );
    expect(kernel.some((name) => name !== '')).toBe(true);
  });

  it('names a process that lives for a moment', async () => {
    const { windows } = await sample(['--rate', '999', '--window', '1'], (seen) => {
      if (seen.length === 1)
        for (let i = 0; i < 20; i++)
          spawn('sh', ['-c', 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'], { stdio: 'ignore' });
      return seen.length === 4;
    });
    const paths = new Set<string>();
    for (const w of windows)
      for (let f = 0; f < w.frames.kind.length; f++)
        if (w.frames.binary[f] !== NO_BINARY) paths.add(w.strings[w.binaries.path[w.frames.binary[f]!]!]!);
    expect([...paths].some((path) => /\/(da)?sh$/.test(path))).toBe(true);
  });

  it('says which rung cannot run, and ends when its time is over', async () => {
    const unprivileged = ['--inh-caps=-all', '--bounding-set=-all', binary];
    const { hello, exit } = await sample(
      [...unprivileged, '--rung', '1', '--window', '1', '--duration', '1'],
      () => false,
      'setpriv',
    );
    expect(hello.rung).toBe(4);
    expect(hello.tried[0]!.error).toContain('CAP_BPF');
    expect(exit.code).toBe(0);
  });
});
