import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { childrenOf, cpuOfChildren, cpuOfProcess } from './processes.ts';

/** Burns CPU, says how much, and ends when its input does. */
const CHILD = `
  const until = 150e3;
  while (process.cpuUsage().user < until);
  const { user, system } = process.cpuUsage();
  console.log((user + system) / 1e6);
  process.stdin.on('end', () => process.exit()).resume();
`;
/** Its child is started by its second thread, as the sampler's makers of tables are; ends it when told, and says when it is gone. */
const PARENT = `
  const { Worker } = require('node:worker_threads');
  const worker = new Worker(\`
    const { spawn } = require('node:child_process');
    const child = spawn(process.execPath, ['-e', \${JSON.stringify(${JSON.stringify(CHILD)})}]);
    const { parentPort } = require('node:worker_threads');
    child.stdout.once('data', (text) => parentPort.postMessage(String(text)));
    child.on('exit', () => parentPort.postMessage('gone'));
    parentPort.on('message', () => child.stdin.end());
  \`, { eval: true });
  worker.on('message', (text) => console.log(text.trim()));
  process.stdin.once('data', () => worker.postMessage(''));
  process.stdin.on('end', () => process.exit());
`;
/** What rounding down to 10 ms may cost: user and system time, two readings. */
const ROUNDING = 0.04;

describe('CPU of processes', () => {
  it('of a child of another thread is counted once: while it lives, and no more when it has ended', async () => {
    const parent = spawn(process.execPath, ['-e', PARENT], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]();
      const used = Number((await lines.next()).value);
      expect(used).toBeGreaterThan(0.14);
      expect(childrenOf(parent.pid!)).toHaveLength(1);
      const [living, own] = [cpuOfChildren(parent.pid!), cpuOfProcess(parent.pid!)];
      expect(living).toBeGreaterThan(used - ROUNDING);
      parent.stdin.write('end\n');
      expect((await lines.next()).value).toBe('gone');
      expect(childrenOf(parent.pid!)).toEqual([]);
      const ended = cpuOfChildren(parent.pid!);
      expect(ended).toBeGreaterThan(living - ROUNDING);
      // Less than all that it ever used: what came after the first reading is its end only.
      expect(ended - living).toBeLessThan(used / 2);
      expect(cpuOfProcess(parent.pid!)).toBeGreaterThanOrEqual(own);
    } finally {
      parent.stdin.end();
    }
  });

  it('of a process that is gone is none', () => {
    expect([cpuOfProcess(2 ** 22 + 1), cpuOfChildren(2 ** 22 + 1), childrenOf(2 ** 22 + 1)]).toEqual([0, 0, []]);
  });
});
