import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { waitFor } from '@perfleet/testing';
import { describe, expect, it } from 'vitest';
import { AT_START, cpuBetween, CpuMeter } from './cpu-meter.ts';

/** For each line that it is told: burns so many milliseconds of CPU and says what it has used. */
const BURNER = `
  const { createInterface } = require('node:readline');
  createInterface({ input: process.stdin }).on('line', (ms) => {
    const until = process.cpuUsage().user + ms * 1000;
    while (process.cpuUsage().user < until);
    const { user, system } = process.cpuUsage();
    console.log((user + system) / 1e6);
  });
`;

describe('what a tree of processes has used', () => {
  it('is told to less than a tick, and does not go when its threads end', async () => {
    // A shell, so that the burner is a child that is waited for.
    const parent = spawn('sh', ['-c', `"$0" -e "$1"; echo gone`, process.execPath, BURNER], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const meter = new CpuMeter(parent.pid!);
    try {
      const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]();
      const burn = async (ms: number) => {
        parent.stdin.write(`${ms}\n`);
        return Number((await lines.next()).value);
      };
      let used = await burn(1);
      await waitFor(() => cpuBetween(AT_START, meter.read()) > 0.9 * used, {
        timeoutMs: 4000,
        intervalMs: 5,
        what: 'the CPU of its start',
      });
      for (let burst = 0; burst < 3; burst++) {
        const [before, usedBefore] = [meter.read(), used];
        used = await burn(3);
        // A tick is 10 ms. Threads that run are counted when they sleep.
        const told = () => cpuBetween(before, meter.read());
        await waitFor(() => told() > 0.8 * (used - usedBefore), {
          timeoutMs: 4000,
          intervalMs: 5,
          what: 'the CPU of a burst',
        });
        expect(told()).toBeLessThan(used - usedBefore + 0.004);
      }
      const all = cpuBetween(AT_START, meter.read());
      parent.stdin.end();
      await lines.next();
      expect(cpuBetween(AT_START, meter.read())).toBeGreaterThanOrEqual(all);
    } finally {
      meter.stop();
      parent.kill('SIGKILL');
      parent.stdin.destroy();
      if (parent.exitCode === null && parent.signalCode === null) await once(parent, 'close');
    }
  });

  it('is the larger one of threads that were seen and sums that were rounded', () => {
    const reading = (threads: number, sums: number) => ({ threads, sums, rounding: 0.04 });
    expect(cpuBetween(reading(1, 1), reading(1.003, 1.02))).toBeCloseTo(0.003);
    expect(cpuBetween(reading(1, 1), reading(1.003, 1.5))).toBeCloseTo(0.46);
  });
});
