import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from './clock.ts';
import { encodeWindow } from './encode-window.ts';
import { writeFakeSampler } from './fake-sampler.ts';
import { spawnSampler, type SamplerExit } from './sampler-process.ts';
import type { SamplerCrash, SuperviseOptions } from './supervision.ts';
import { superviseSampler, type Supervisor } from './supervisor.ts';
import type { Window } from './window.ts';

const until = (condition: () => void) => vi.waitFor(condition, { timeout: 15_000, interval: 10 });
const windows = [1, 2, 3].map((n) =>
  encodeWindow({ taken: n, samples: [{ process: { pid: 1 }, count: 1, stack: [] }] }),
);

let dir: string;
let supervisor: Supervisor | null = null;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'perfleet-sampler-'));
});
afterEach(async () => {
  await supervisor?.stop();
  supervisor = null;
  rmSync(dir, { recursive: true, force: true });
});

/** Time that moves only when it is told to. */
function manualClock(): Clock & { advance(ms: number): void } {
  let now = 0;
  let timers: Array<{ at: number; run: () => void }> = [];
  return {
    now: () => now,
    after(ms, run) {
      const timer = { at: now + ms, run };
      timers.push(timer);
      return () => void (timers = timers.filter((t) => t !== timer));
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const next = timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers = timers.filter((t) => t !== next);
        now = next.at;
        next.run();
      }
      now = end;
    },
  };
}

function supervise(binary: string, more: Partial<SuperviseOptions> = {}) {
  const backoffMs = { min: 5, max: 20 };
  const made = superviseSampler({ binary, rateHz: 19, windowSeconds: 5, backoffMs, retryMs: 60_000, ...more });
  const crashes: SamplerCrash[] = [];
  const rungs: Array<{ from: number; to: number; reason: string }> = [];
  const seen: Window[] = [];
  made.on('crash', (crash) => crashes.push(crash));
  made.on('rung', (change) => rungs.push(change));
  made.on('window', (window) => seen.push(window));
  supervisor = made;
  made.start();
  return { supervisor: made, crashes, rungs, seen };
}

describe('spawnSampler', () => {
  it('hands over hello, windows, stats and the last window before the exit', async () => {
    const child = spawnSampler({ binary: writeFakeSampler(dir, { behaviour: 'steady', windows, everyMs: 20 }) });
    const seen: number[] = [];
    let exit: SamplerExit | null = null;
    const hello = vi.fn();
    child
      .on('hello', hello)
      .on('window', (w) => seen.push(w.taken))
      .on('exit', (e) => (exit = e));
    await until(() => expect(seen.length).toBeGreaterThan(0));
    const before = seen.length;
    await child.stop();
    expect(hello).toHaveBeenCalledOnce();
    expect(seen).toEqual([1, 2, 3].slice(0, seen.length));
    expect(seen.length).toBeGreaterThanOrEqual(Math.min(3, before + 1));
    expect(exit).toMatchObject({ code: 0, signal: null, requested: true, error: null });
  });

  it('kills one that does not stop', async () => {
    const child = spawnSampler({ binary: writeFakeSampler(dir, { behaviour: 'deaf' }), stopMs: 100 });
    const exits: SamplerExit[] = [];
    child.on('exit', (e) => exits.push(e));
    await until(() => expect(child.pid).toBeDefined());
    await child.stop();
    expect(exits).toHaveLength(1);
    expect(exits[0]).toMatchObject({ signal: 'SIGKILL', requested: true });
  });

  it('kills one that breaks the protocol and says why', async () => {
    const child = spawnSampler({ binary: writeFakeSampler(dir, { behaviour: 'garbage' }) });
    const exits: SamplerExit[] = [];
    child.on('exit', (e) => exits.push(e));
    await until(() => expect(exits).toHaveLength(1));
    expect(exits[0]!.error?.message).toMatch(/frame of 4294967295 bytes/);
  });
});

describe('superviseSampler', () => {
  it('restarts after crashes, records them, and moves down the ladder to the rung that works', async () => {
    const binary = writeFakeSampler(dir, { behaviour: 'crash-above:3', windows, everyMs: 20 });
    const { supervisor, crashes, rungs, seen } = supervise(binary);
    await until(() => expect(seen.length).toBeGreaterThan(0));
    expect(crashes.map((c) => c.rung)).toEqual([1, 1, 1, 2, 2, 2]);
    expect(crashes[0]).toMatchObject({ signal: 'SIGSEGV', lastLog: 'map lookup failed on rung 1' });
    expect(rungs.map((r) => [r.from, r.to])).toEqual([
      [1, 2],
      [2, 3],
    ]);
    expect(supervisor.state).toMatchObject({ rung: 3, running: true, restarts: 6 });
    expect(supervisor.state.reason).toMatch(/rung 2 crashed 3 times/);
    expect(supervisor.state.lastExit).toMatch(/SIGSEGV.*map lookup failed on rung 2/);
  });

  it('ends on rung 4 when every rung crashes, and tries again later', async () => {
    const { supervisor, crashes, rungs } = supervise(writeFakeSampler(dir, { behaviour: 'crash' }), { retryMs: 50 });
    await until(() => expect(rungs.some((r) => r.to === 4)).toBe(true));
    expect(crashes).toHaveLength(9);
    expect(rungs.find((r) => r.to === 4)!.reason).toMatch(/rung 3 crashed 3 times/);
    await until(() => expect(crashes.length).toBeGreaterThan(9));
    expect(supervisor.state.restarts).toBeGreaterThan(9);
  });

  it('stays on its rung when crashes are far apart', async () => {
    const { crashes, rungs } = supervise(writeFakeSampler(dir, { behaviour: 'crash' }), { crashWindowMs: 1 });
    await until(() => expect(crashes.length).toBeGreaterThan(4));
    expect(rungs).toEqual([]);
  });

  it('is on rung 4 with reason and fix when the binary is missing', async () => {
    const { supervisor, crashes } = supervise(join(dir, 'nothing'));
    await until(() => expect(supervisor.state.rung).toBe(4));
    expect(supervisor.state.reason).toMatch(/does not exist; build it with `npm run setup`/);
    expect(crashes).toEqual([]);
  });

  it('is on rung 4 when the binary cannot be executed, and recovers when it can', async () => {
    const binary = join(dir, 'fake-sampler-steady');
    writeFileSync(binary, 'not executable', { mode: 0o644 });
    const { supervisor, rungs } = supervise(binary, { retryMs: 50 });
    await until(() => expect(supervisor.state.rung).toBe(4));
    expect(supervisor.state.reason).toMatch(/cannot be executed \(EACCES\)/);
    writeFakeSampler(dir, { behaviour: 'steady' });
    chmodSync(binary, 0o755);
    await until(() => expect(supervisor.state).toMatchObject({ rung: 1, running: true, reason: '' }));
    expect(rungs.at(-1)).toMatchObject({ from: 4, to: 1 });
  });

  it('takes a sampler that says nothing for hung', async () => {
    const { crashes } = supervise(writeFakeSampler(dir, { behaviour: 'silent' }), { silenceMs: 300 });
    await until(() => expect(crashes.length).toBeGreaterThan(0));
    expect(crashes[0]!.message).toMatch(/wrote nothing for 300 ms/);
  });

  it('does not take one for hung that wrote while this process was at work', async () => {
    const binary = writeFakeSampler(dir, { behaviour: 'steady', everyMs: 10 });
    const { supervisor, crashes } = supervise(binary, { silenceMs: 300 });
    let read = 0;
    supervisor.on('stats', () => {
      // As long as work on one window takes where other processes have the CPU.
      if (++read === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
    });
    // More than the pipe held by then: one that was killed has been seen to end.
    await until(() => expect(read).toBeGreaterThan(90));
    expect(crashes).toEqual([]);
  });

  it('takes one that sent windows and then nothing for hung after three windows', async () => {
    const clock = manualClock();
    const binary = writeFakeSampler(dir, { behaviour: 'hang', windows, everyMs: 10 });
    const { supervisor, crashes, seen } = supervise(binary, { clock });
    await until(() => expect(seen.length).toBeGreaterThanOrEqual(windows.length));
    clock.advance(15_499);
    expect(supervisor.state.running).toBe(true);
    clock.advance(1);
    await until(() => expect(crashes).toHaveLength(1));
    expect(crashes[0]).toMatchObject({ signal: 'SIGKILL' });
    expect(crashes[0]!.message).toMatch(/wrote nothing for 15000 ms/);
    expect(supervisor.state.restarts).toBe(1);
  });

  it('tells an exit code', async () => {
    const { crashes } = supervise(writeFakeSampler(dir, { behaviour: 'exit:7' }));
    await until(() => expect(crashes.length).toBeGreaterThan(0));
    expect(crashes[0]).toMatchObject({ code: 7, signal: '' });
    expect(crashes[0]!.message).toContain('exit code 7');
  });

  describe('with an hour that passes in a moment', () => {
    const HOUR = 3_600_000;
    const crashing = (rung: number) =>
      writeFakeSampler(dir, { behaviour: `crash-above:${rung}`, windows, everyMs: 20 });
    const runs = (made: Supervisor, rung: number) =>
      until(() => expect(made.state).toMatchObject({ rung, running: true }));
    /** The restart waits for the injected clock too. */
    async function crashTimes(clock: ReturnType<typeof manualClock>, crashes: unknown[], n: number) {
      for (let i = crashes.length + 1; i <= n; i++) {
        await until(() => expect(crashes).toHaveLength(i));
        clock.advance(20);
      }
    }

    it('goes down after three crashes within five minutes and back up after an hour of peace', async () => {
      const clock = manualClock();
      const binary = crashing(2);
      const { supervisor, crashes, rungs } = supervise(binary, { clock });
      await crashTimes(clock, crashes, 3);
      await runs(supervisor, 2);
      copyFileSync(writeFakeSampler(dir, { behaviour: 'steady', windows, everyMs: 20 }), binary);
      clock.advance(HOUR - 1000);
      expect(supervisor.state).toMatchObject({ rung: 2, running: true });
      clock.advance(1000);
      await runs(supervisor, 1);
      expect(supervisor.state.reason).toBe('');
      expect(rungs.map((r) => [r.from, r.to])).toEqual([
        [1, 2],
        [2, 1],
      ]);
      expect(rungs[0]!.reason).toMatch(/rung 1 crashed 3 times within 300 s/);
      expect(rungs[1]!.reason).toBe('no crash for 60 min, rung 1 is tried again');
      expect(crashes).toHaveLength(3);
    });

    it('waits twice as long when the rung above crashes again', async () => {
      const clock = manualClock();
      const { supervisor, crashes } = supervise(crashing(2), { clock });
      await crashTimes(clock, crashes, 3);
      await runs(supervisor, 2);
      clock.advance(HOUR);
      await crashTimes(clock, crashes, 6);
      await runs(supervisor, 2);
      clock.advance(2 * HOUR - 1);
      expect(supervisor.state).toMatchObject({ rung: 2, running: true });
      clock.advance(1);
      await crashTimes(clock, crashes, 9);
      await runs(supervisor, 2);
    });

    it('forgives crashes that are more than five minutes apart', async () => {
      const clock = manualClock();
      const { crashes, rungs } = supervise(writeFakeSampler(dir, { behaviour: 'crash' }), { clock });
      for (let i = 1; i <= 6; i++) {
        await until(() => expect(crashes).toHaveLength(i));
        clock.advance(151_000);
      }
      expect(rungs).toEqual([]);
    });
  });

  describe('whose settings change', () => {
    it('sets the rate of this run and of later ones', async () => {
      const logs: string[] = [];
      const rates: number[] = [];
      const { supervisor } = supervise(writeFakeSampler(dir, { behaviour: 'steady' }));
      supervisor.on('log', (log) => logs.push(log.message)).on('hello', (hello) => rates.push(hello.rateHz));
      await until(() => expect(supervisor.state.running).toBe(true));
      supervisor.configure({ rateHz: 49 });
      await until(() => expect(logs).toContain('rate 49'));
      expect(rates).toEqual([19]);
      supervisor.configure({ windowSeconds: 1 });
      await until(() => expect(rates).toEqual([19, 49]));
    });

    it('starts again for another window or rung, with its last window and without a crash', async () => {
      const { supervisor, crashes, rungs, seen } = supervise(writeFakeSampler(dir, { behaviour: 'steady', windows }));
      const hellos: number[] = [];
      supervisor.on('hello', (hello) => hellos.push(hello.rung));
      await until(() => expect(hellos).toEqual([1]));
      // Both before the first child is gone: one new run that has both.
      supervisor.configure({ windowSeconds: 7 });
      supervisor.configure({ rung: 2, rungReason: 'over its budget' });
      await until(() => expect(hellos).toEqual([1, 2]));
      expect(supervisor.state).toMatchObject({ rung: 2, reason: 'over its budget', running: true, restarts: 0 });
      expect(rungs).toEqual([{ from: 1, to: 2, reason: 'over its budget' }]);
      supervisor.configure({ rung: 'auto', rungReason: '' });
      await until(() => expect(hellos).toEqual([1, 2, 1]));
      supervisor.configure({ offCpu: true });
      await until(() => expect(hellos).toEqual([1, 2, 1, 1]));
      expect(supervisor.state.reason).toBe('');
      expect(crashes).toEqual([]);
      expect(seen.length).toBeGreaterThanOrEqual(2);
    });

    it('is tried at once when nothing ran before', async () => {
      const binary = join(dir, 'fake-sampler-steady');
      const { supervisor } = supervise(binary);
      await until(() => expect(supervisor.state.rung).toBe(4));
      writeFakeSampler(dir, { behaviour: 'steady' });
      supervisor.configure({ rung: 3 });
      await until(() => expect(supervisor.state).toMatchObject({ rung: 3, running: true }));
    });

    it('keeps away from a rung that crashed, whatever is asked for', async () => {
      const { supervisor, crashes } = supervise(writeFakeSampler(dir, { behaviour: 'crash-above:2', windows }));
      await until(() => expect(supervisor.state).toMatchObject({ rung: 2, running: true }));
      supervisor.configure({ rung: 3 });
      await until(() => expect(supervisor.state).toMatchObject({ rung: 3, running: true }));
      supervisor.configure({ rung: 'auto' });
      await until(() => expect(supervisor.state).toMatchObject({ rung: 2, running: true }));
      expect(supervisor.state.reason).toMatch(/^rung 1 crashed 3 times/);
      expect(crashes).toHaveLength(3);
    });
  });
});
