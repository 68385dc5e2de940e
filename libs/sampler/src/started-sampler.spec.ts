import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeWindow } from './encode-window.ts';
import { writeFakeSampler } from './fake-sampler.ts';
import { startSampler, type RunSettings, type StartedSampler } from './started-sampler.ts';
import { superviseSampler, type Supervisor } from './supervisor.ts';
import type { Window } from './window.ts';

const until = (condition: () => void) => vi.waitFor(condition, { timeout: 15_000, interval: 10 });
const windows = [1, 2, 3].map((n) =>
  encodeWindow({ taken: n, samples: [{ process: { pid: 1 }, count: 1, stack: [] }] }),
);
const SETTINGS: RunSettings = { rateHz: 19, windowSeconds: 5, offCpu: false, rung: 'auto' };

let dir: string;
let binary: string;
let supervisor: Supervisor | null = null;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'perfleet-sampler-'));
  binary = writeFakeSampler(dir, { behaviour: 'steady', windows, everyMs: 10 });
});
afterEach(async () => {
  await supervisor?.stop();
  supervisor = null;
  rmSync(dir, { recursive: true, force: true });
});

/** It has written all of its windows, and the pipe is read in the turns between. */
async function started(settings = SETTINGS): Promise<StartedSampler> {
  const sampler = startSampler(binary, settings)!;
  const size = windows.reduce((sum, window) => sum + window.length, 0);
  const written = () => Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${sampler.process.pid}/io`, 'utf8'))?.[1]);
  await until(() => expect(written()).toBeGreaterThan(size + 500));
  return sampler;
}

function supervise(sampler: StartedSampler | undefined, settings: Partial<RunSettings> = {}) {
  const made = superviseSampler({ binary, ...SETTINGS, ...settings, retryMs: 60_000, started: sampler });
  supervisor = made;
  const seen: Window[] = [];
  const [hellos, logs]: [number[], string[]] = [[], []];
  made.on('window', (window) => seen.push(window));
  made.on('hello', ({ rung }) => hellos.push(rung));
  made.on('log', ({ message }) => logs.push(message));
  return { made, seen, hellos, logs };
}

describe('a sampler that was started before its supervisor', () => {
  it('is taken over with all that it has said, and told the rate that is wanted by then', async () => {
    const sampler = await started();
    const { made, seen, hellos, logs } = supervise(sampler, { rateHz: 49 });
    expect([seen, hellos]).toEqual([[], []]);
    made.start();
    expect(hellos).toEqual([1]);
    expect(made.state).toMatchObject({ rung: 1, running: true });
    await until(() => expect(seen.map(({ taken }) => taken)).toEqual([1, 2, 3]));
    await until(() => expect(logs).toContain('rate 49'));
    await made.stop();
    expect(existsSync(`/proc/${sampler.process.pid}`)).toBe(false);
  });

  it('is ended when another run is wanted, and nothing of it is heard', async () => {
    const sampler = await started();
    const { made, seen, hellos } = supervise(sampler, { rung: 2 });
    made.start();
    await until(() => expect(existsSync(`/proc/${sampler.process.pid}`)).toBe(false));
    await until(() => expect(seen).toHaveLength(3));
    expect(hellos).toEqual([2]);
    expect(made.state.restarts).toBe(0);
  });

  it('is ended with a supervisor that never began', async () => {
    const sampler = await started();
    await supervise(sampler).made.stop();
    expect(existsSync(`/proc/${sampler.process.pid}`)).toBe(false);
  });

  it('that cannot be executed is said as ever', async () => {
    binary = join(dir, 'missing');
    const { made } = supervise(startSampler(binary, SETTINGS));
    made.start();
    await until(() => expect(made.state).toMatchObject({ rung: 4, running: false }));
    expect(made.state.reason).toContain('does not exist');
  });
});
