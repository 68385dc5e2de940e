/**
 * `npm test`: lint, types, Rust tests, unit, integration and end-to-end tests, and those that sample this machine, in that order,
 * whatever fails.
 * The last line is `N passed, N failed[, N skipped]`, counted from the runners' own reports; lint and types count one each.
 *
 *   npm test -- unit integration    only these stages
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { hasCommand, nodeBinary, root, toolEnv } from './steps.mjs';

const reports = join(root, '.cache', 'reports');
const total = { passed: 0, failed: 0, skipped: 0 };

function execute(command, args, cwd = root, onOutput = () => undefined) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...toolEnv, CI: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout.on('data', (data) => {
      process.stdout.write(data);
      onOutput(String(data));
    });
    child.on('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`);
      resolve(1);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

function count(name, passed, failed, skipped = 0) {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  process.stdout.write(`\n== ${name}: ${passed} passed, ${failed} failed, ${skipped} skipped\n`);
}

async function check(name, script, args) {
  const code = await execute(nodeBinary, [join(root, 'node_modules', script), ...args]);
  count(name, code === 0 ? 1 : 0, code === 0 ? 0 : 1);
}

async function vitest(project) {
  const report = join(reports, `${project}.json`);
  rmSync(report, { force: true });
  const args = ['run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const code = await execute(nodeBinary, [join(root, 'node_modules/vitest/vitest.mjs'), ...args]);
  if (!existsSync(report)) return count(project, 0, 1);
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
    readFileSync(report, 'utf8'),
  );
  // A file that fails to load has no failed test of its own; it counts as one all the same.
  const broken = testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  for (const file of testResults)
    for (const test of file.assertionResults)
      if (test.status === 'pending' || test.status === 'skipped') process.stdout.write(`skipped: ${test.fullName}\n`);
  const failed = numFailedTests + broken.length;
  count(project, numPassedTests, failed === 0 && code !== 0 ? 1 : failed, numPendingTests + numTodoTests);
}

async function cargo() {
  if (!hasCommand('cargo')) return count('cargo test: cargo is missing', 0, 0, 1);
  let text = '';
  const code = await execute(
    'cargo',
    // All of them: what fails first must not hide the rest.
    ['test', '--release', '--locked', '--no-fail-fast'],
    join(root, 'native'),
    (data) => (text += data),
  );
  let [passed, failed, ignored] = [0, 0, 0];
  for (const match of text.matchAll(/test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/g)) {
    passed += Number(match[1]);
    failed += Number(match[2]);
    ignored += Number(match[3]);
  }
  count('cargo test', passed, failed === 0 && code !== 0 ? 1 : failed, ignored);
}

const stages = {
  lint: async () => {
    // The boundary rule reads the project graph that any Nx command leaves in its cache; without one it would pass in silence.
    await execute(nodeBinary, [join(root, 'node_modules/nx/dist/bin/nx.js'), 'show', 'projects']);
    await check('lint', 'eslint/bin/eslint.js', ['.', '--max-warnings', '0']);
  },
  format: () => check('format', 'prettier/bin/prettier.cjs', ['--check', '--log-level', 'warn', '.']),
  types: () => check('types', 'typescript/bin/tsc', ['--noEmit', '-p', 'tsconfig.json']),
  cargo,
  unit: () => vitest('unit'),
  integration: () => vitest('integration'),
  e2e: () => vitest('e2e'),
  sampling: () => vitest('sampling'),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in stages));
if (unknown.length > 0) {
  process.stderr.write(`unknown stage ${unknown.join(', ')}; there are ${Object.keys(stages).join(', ')}\n`);
  process.exit(2);
}
try {
  await setup({ tests: true });
} catch (error) {
  process.stderr.write(`perfleet: ${error.message}\n`);
  process.stdout.write('0 passed, 1 failed\n');
  process.exit(1);
}
mkdirSync(reports, { recursive: true });
// Those that only read the sources use one core each, and disturb nobody.
const together = ['lint', 'format', 'types'];
const chosen = Object.keys(stages).filter((name) => wanted.length === 0 || wanted.includes(name));
const run = async (name) => {
  const from = performance.now();
  await stages[name]();
  process.stdout.write(`== ${name} took ${Math.round((performance.now() - from) / 1000)} s\n`);
};
await Promise.all(chosen.filter((name) => together.includes(name)).map(run));
for (const name of chosen.filter((name) => !together.includes(name))) await run(name);
process.stdout.write(
  `\n${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}\n`,
);
process.exit(total.failed === 0 ? 0 : 1);
