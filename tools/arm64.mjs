/**
 * Do the sampler's Rust and its BPF program compile for arm64? Type-checked for aarch64-unknown-linux-gnu; no linker and no cross
 * compiler is needed, because nothing is linked.
 *
 *   npm run test:arm64
 *
 * Exit code 0 also when this is skipped, which is said with the reason.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runArguments } from '../tests/support/run-arguments.ts';
import { hasCommand, root, run } from './steps.mjs';

runArguments(
  `npm run test:arm64

Checks that the sampler's Rust and BPF C compile for arm64. Adds Rust's standard library for it by rustup where it is missing.
`,
  {},
);

const TARGET = 'aarch64-unknown-linux-gnu';

/** Why the target's standard library is neither here nor to be had; "" when it is here. */
function missingTarget() {
  if (hasTarget()) return '';
  if (!hasCommand('rustup'))
    return `Rust's standard library for ${TARGET} is missing, and there is no rustup to install it`;
  const { status, stderr } = spawnSync('rustup', ['target', 'add', TARGET], { cwd: native, encoding: 'utf8' });
  return status === 0 && hasTarget()
    ? ''
    : `rustup target add ${TARGET}: ${stderr.split('\n').find((line) => line.startsWith('error')) ?? stderr.trim()}`;
}

const native = join(root, 'native');

function hasTarget() {
  // Where it would be: rustc says so of a target that is not installed, too.
  const args = ['--print', 'target-libdir', '--target', TARGET];
  const { stdout } = spawnSync('rustc', args, { cwd: native, encoding: 'utf8' });
  return existsSync((stdout ?? '').trim());
}

const why = missingTarget();
if (why) {
  process.stderr.write(`skipped: the sampler compiles for arm64: ${why}\n`);
} else {
  await run(`check for ${TARGET}`, 'cargo', ['check', '--locked', '-p', 'perfleet-sampler', '--target', TARGET], {
    cwd: native,
    // libbpf's own C is compiled for this machine and thrown away: what is checked is Rust against its declarations, and build.rs
    // compiles our BPF program with arm64's registers.
    env: { CC_aarch64_unknown_linux_gnu: 'cc', PKG_CONFIG_ALLOW_CROSS: '1' },
  }).catch(({ message }) => {
    process.stderr.write(`${message}\n`);
    process.exitCode = 1;
  });
}
