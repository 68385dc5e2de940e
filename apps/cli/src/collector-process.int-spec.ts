import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { samplerBinaryPath } from '@perfleet/sampler';
import { describe, expect, it } from 'vitest';

const module = fileURLToPath(new URL('./collector-process.ts', import.meta.url));
const sampler = samplerBinaryPath();

/**
 * Policy and niceness of all threads while the process starts, and once the start is over. They are the 41st and the 19th field of a
 * line, the name being the second.
 */
const PROGRAM = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { prepareCollectorProcess } from ${JSON.stringify(module)};
  const tasks = () => readdirSync('/proc/self/task').map((tid) => {
    const text = readFileSync('/proc/self/task/' + tid + '/stat', 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[38] + ':' + fields[16];
  });
  const from = tasks();
  prepareCollectorProcess(${JSON.stringify(sampler)}, 50);
  const preparing = tasks();
  const look = setInterval(() => {
    if (!tasks().every((task) => task === '0:-5')) return;
    clearInterval(look);
    console.log(JSON.stringify([from, preparing, tasks()]));
  }, 10);
`;

const CAP_SYS_NICE = 1n << 23n;
const [, capabilities] = /^CapEff:\s+(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
const mayRaise = BigInt(`0x${capabilities ?? '0'}`) & CAP_SYS_NICE;
const reason = !mayRaise ? 'needs CAP_SYS_NICE' : existsSync(sampler) ? '' : 'the native build is missing';

describe.skipIf(reason !== '')(`every thread of a collector${reason && ` (skipped: ${reason})`}`, () => {
  /** @returns what the threads had; fails when the start does not end */
  const threads = (command: string, ...args: string[]) => {
    const program = ['--no-warnings', '--input-type=module', '-e', PROGRAM, 'collector'];
    const out = execFileSync(command, [...args, ...program], { encoding: 'utf8', timeout: 20_000 });
    const [from, preparing, settled] = JSON.parse(out) as [string[], string[], string[]];
    // Threads of V8 are there before any code runs.
    expect(preparing.length).toBeGreaterThan(1);
    return [from, preparing, settled].map((each) => [...new Set(each)]);
  };

  it('goes before others', () => {
    const [, preparing, settled] = threads(process.execPath);
    expect([preparing, settled]).toEqual([['0:-10'], ['0:-5']]);
  });

  it('starts before everything else where an image starts it, and takes turns after that', (test) => {
    try {
      execFileSync('chrt', ['--rr', '1', 'true'], { stdio: 'ignore' });
    } catch {
      test.skip('the cgroup has no share of real time');
    }
    const [from, preparing, settled] = threads(sampler, '--first', process.execPath);
    expect(from!.map((task) => task.split(':')[0])).toEqual(['2']);
    expect([preparing, settled]).toEqual([['2:-10'], ['0:-5']]);
  });
});
