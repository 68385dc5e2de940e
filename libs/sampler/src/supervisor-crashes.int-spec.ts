import {
  accessSync,
  constants,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { tempDir, waitFor } from '@perfleet/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { samplerBinaryPath } from './binary-path.ts';
import { writeFakeSampler } from './fake-sampler.ts';
import type { SamplerCrash, SuperviseOptions } from './supervision.ts';
import { superviseSampler, type Supervisor } from './supervisor.ts';

const binary = samplerBinaryPath();
const noSampler = process.getuid?.() !== 0 ? 'needs root' : existsSync(binary) ? '' : 'the native build is missing';
const patience = (what: string) => ({ timeoutMs: 60_000, what });

let supervisor: Supervisor | null = null;
afterEach(async () => {
  await supervisor?.stop();
  supervisor = null;
});

function supervise(options: Partial<SuperviseOptions> & { binary: string }) {
  const crashes: SamplerCrash[] = [];
  let windows = 0;
  const made = (supervisor = superviseSampler({
    rateHz: 49,
    windowSeconds: 1,
    backoffMs: { min: 50, max: 50 },
    ...options,
  }));
  made.on('crash', (crash) => crashes.push(crash));
  made.on('window', () => windows++);
  made.start();
  const running = () => waitFor(() => made.state.running && windows > 0, patience('windows of the sampler'));
  /** After the next restart. */
  const again = async () => {
    windows = 0;
    await running();
  };
  return { made, crashes, running, again };
}

/** The pid of the one child whose command is the sampler. */
function childPid(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ').map(Number);
  const found = children.find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('perfleet-sampler');
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error('no sampler among the children');
  return found;
}

describe.skipIf(noSampler !== '')(`crashes of the real sampler${noSampler && ` (skipped: ${noSampler})`}`, () => {
  // Not SIGSEGV: Rust's handler takes one that no fault caused for settled and goes on.
  it.each(['SIGILL', 'SIGABRT', 'SIGKILL'] as const)('by %s: told, counted, restarted', async (signal) => {
    const { made, crashes, running, again } = supervise({ binary });
    await running();
    process.kill(childPid(), signal);
    await waitFor(() => crashes.length === 1, patience('the crash'));
    expect(crashes[0]).toMatchObject({ signal, code: null });
    expect(crashes[0]!.message).toContain(signal === 'SIGKILL' ? 'SIGKILL from outside' : signal);
    await again();
    expect(made.state).toMatchObject({ restarts: 1, running: true });
  });

  it('that stands still for three windows: killed, counted, restarted', async () => {
    const { made, crashes, running, again } = supervise({ binary, silenceMs: 3000 });
    await running();
    const pid = childPid();
    process.kill(pid, 'SIGSTOP');
    await waitFor(() => crashes.length === 1, patience('the end of patience'));
    expect(crashes[0]!.message).toContain('wrote nothing for 3000 ms');
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    await again();
    expect(made.state.restarts).toBe(1);
  });

  it('three times within five minutes: the next rung samples, and after the peace the first one again', async () => {
    const { made, crashes, running, again } = supervise({ binary, peaceMs: 4000 });
    const runs: Array<[rung: number, why: string]> = [];
    made.on('hello', () => runs.push([made.state.rung, made.state.reason]));
    await running();
    for (const count of [1, 2, 3]) {
      process.kill(childPid(), 'SIGKILL');
      await waitFor(() => crashes.length === count, patience(`crash ${count}`));
      await again();
    }
    await waitFor(() => runs.length === 5, patience('the first rung, tried again'));
    await again();
    const crashed = expect.stringContaining('rung 1 crashed 3 times within 300 s (signal SIGKILL from outside)');
    expect(runs).toEqual([...Array<[number, string]>(3).fill([1, '']), [2, crashed], [1, '']]);
    expect(crashes).toHaveLength(3);
  });
});

/** A directory of the v1 or v2 memory controller in which groups can be made; "" = none here. */
function memoryController(): string {
  for (const dir of ['/sys/fs/cgroup/memory', '/sys/fs/cgroup']) {
    const v1 = existsSync(join(dir, 'memory.limit_in_bytes'));
    const v2 =
      existsSync(join(dir, 'cgroup.subtree_control')) &&
      readFileSync(join(dir, 'cgroup.subtree_control'), 'utf8').includes('memory');
    try {
      accessSync(dir, constants.W_OK);
      if (v1 || v2) return dir;
    } catch {
      continue;
    }
  }
  return '';
}

const controller = process.getuid?.() === 0 ? memoryController() : '';

describe.skipIf(controller === '')(
  `a sampler that eats its memory${controller ? '' : ' (skipped: no writable memory cgroup)'}`,
  () => {
    it('is killed by the kernel for its limit, and the crash says so', async () => {
      const dir = tempDir();
      const group = join(controller, `perfleet-oom-${process.pid}`);
      mkdirSync(group);
      try {
        const limit = String(160 << 20);
        const v1 = existsSync(join(group, 'memory.limit_in_bytes'));
        writeFileSync(join(group, v1 ? 'memory.limit_in_bytes' : 'memory.max'), limit);
        // Swap would only delay it.
        for (const [file, value] of [
          ['memory.memsw.limit_in_bytes', limit],
          ['memory.swap.max', '0'],
        ] as const)
          if (existsSync(join(group, file))) writeFileSync(join(group, file), value);
        const hog = writeFakeSampler(dir.path, { behaviour: 'hog' });
        const wrapper = join(dir.path, 'limited');
        writeFileSync(wrapper, `#!/bin/sh\necho $$ > ${group}/cgroup.procs\nexec ${hog} "$@"\n`);
        chmodSync(wrapper, 0o755);
        const { made, crashes } = supervise({ binary: wrapper, backoffMs: { min: 60_000, max: 60_000 } });
        await waitFor(() => crashes.length === 1, patience('the kill'));
        expect(crashes[0]).toMatchObject({ signal: 'SIGKILL' });
        expect(crashes[0]!.message).toContain('out of memory in its cgroup');
        expect(made.state.lastExit).toContain('out of memory in its cgroup');
      } finally {
        await supervisor?.stop();
        await waitFor(() => (rmdirSync(group), true), patience('the group to be empty'));
        dir.remove();
      }
    });
  },
);
