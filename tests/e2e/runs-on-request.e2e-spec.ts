import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { repository } from '../support/workloads.ts';

const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
/** Those that are programs of their own; the others are the test runner with other settings. */
const runs = Object.entries(scripts).filter(
  ([name, command]) => name.startsWith('test:') && command.startsWith('node '),
);

it.each(runs)('npm run %s loads what it runs, says how it is used, and refuses what it does not know', async (name) => {
  const run = (...args: string[]) =>
    promisify(execFile)('npm', ['run', '--silent', name, '--', ...args], { cwd: repository });
  expect((await run('--help')).stdout).toContain(`npm run ${name}`);
  await expect(run('--no-such-flag')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`npm run ${name}`) as string,
  });
});
