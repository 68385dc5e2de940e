import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const module = fileURLToPath(new URL('./collector-process.ts', import.meta.url));

/** The niceness of all threads after each step. It is the 19th field of a line, the 17th behind the name. */
const PROGRAM = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { prepareCollectorProcess, settleCollectorProcess } from ${JSON.stringify(module)};
  const tasks = () => readdirSync('/proc/self/task').map((tid) => {
    const text = readFileSync('/proc/self/task/' + tid + '/stat', 'utf8');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[16]);
  });
  prepareCollectorProcess();
  const preparing = tasks();
  settleCollectorProcess();
  console.log(JSON.stringify([preparing, tasks()]));
`;

const CAP_SYS_NICE = 1n << 23n;
const [, capabilities] = /^CapEff:\s+(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
const reason = BigInt(`0x${capabilities ?? '0'}`) & CAP_SYS_NICE ? '' : 'needs CAP_SYS_NICE';

it.skipIf(reason !== '')(`every thread of a collector goes before others${reason && ` (skipped: ${reason})`}`, () => {
  const out = execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', PROGRAM], {
    encoding: 'utf8',
  });
  const [preparing, settled] = JSON.parse(out) as [number[], number[]];
  // Threads of V8 are there before any code runs.
  expect(preparing.length).toBeGreaterThan(1);
  expect([new Set(preparing), new Set(settled)]).toEqual([new Set([-10]), new Set([-5])]);
});
