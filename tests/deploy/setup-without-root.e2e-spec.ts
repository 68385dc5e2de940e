import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireTool } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repository } from '../support/workloads.ts';

/*
 * A copy of the repository as a user who is not root sees it on a machine without clang: the set-up names what to
 * install, builds what it can, and the command works one rung lower. A user namespace makes the user: getuid() is not
 * 0, and no file has to change its owner.
 */

/** What the set-up finds on the path: Rust, gcc and Node, nothing more. */
const COMMANDS = ['sh', 'cc', 'gcc', 'ld', 'as', 'ar', 'cargo', 'rustc', 'node', 'npm', 'env'];

/** What crates of others became: the copy need not build them again. */
const BUILT = ['deps', 'build', '.fingerprint'].map((name) => `native/target/release/${name}`);

/**
 * What other features make cargo build again. That it builds is the matter here; the optimiser would take a minute more.
 * A name that is not in the lock file any more is a warning of cargo's.
 */
const REBUILT = [
  ...['files', 'ids', 'inotify', 'jitdump', 'mapping', 'sampler', 'symbols', 'unwind'].map(
    (name) => `perfleet-${name}`,
  ),
  ...['symbolic-debuginfo', 'symbolic-demangle', 'zstd-sys', 'zstd-safe'],
];

const reason = [requireTool('unshare'), requireTool('cargo')]
  .map((tool) => (tool.available ? '' : tool.reason))
  .join('');
const pathOf = (name: string) => execFileSync('sh', ['-c', 'command -v "$1"', 'sh', name], { encoding: 'utf8' }).trim();

describe.skipIf(reason !== '')(`set-up without root${reason && ` (skipped: ${reason})`}`, () => {
  // Hard links reach no other file system.
  const scratch = join(repository, '.cache', 'setup-without-root');
  const copy = join(scratch, 'repository');
  const bin = join(scratch, 'bin');
  const { HOME, CARGO_HOME, RUSTUP_HOME } = process.env;
  const run = (command: string, ...args: string[]) =>
    spawnSync(command, args, { cwd: copy, encoding: 'utf8', env: { HOME, CARGO_HOME, RUSTUP_HOME, PATH: bin } });

  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  beforeAll(() => {
    rmSync(scratch, { recursive: true, force: true });
    mkdirSync(copy, { recursive: true });
    const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: repository,
      encoding: 'utf8',
    });
    const wanted = files.split('\0').filter((name) => name !== '' && !name.startsWith('tests/'));
    // With times to the nanosecond: the set-up tells by them whether something changed.
    const copyFiles = (...names: string[]) =>
      execFileSync('cp', ['-a', '--parents', ...names, copy], { cwd: repository });
    copyFiles(...wanted, '.cache/stamps/npm', ...BUILT);
    // Links to the files, in directories of its own: nothing that happens in the copy reaches the repository.
    execFileSync('cp', ['-al', 'node_modules', copy], { cwd: repository });
    appendFileSync(
      join(copy, 'native/.cargo/config.toml'),
      REBUILT.map((name) => `[profile.release.package.${name}]\nopt-level = 0\ndebug = false\n`).join(''),
    );
    mkdirSync(bin);
    for (const name of COMMANDS) symlinkSync(pathOf(name), join(bin, name));
    // Nothing is installed, as far as this machine's list of packages says.
    writeFileSync(join(bin, 'dpkg-query'), '#!/bin/sh\nexit 1\n');
    chmodSync(join(bin, 'dpkg-query'), 0o755);
  });

  it('names the packages, goes on without eBPF, and profiles', () => {
    const setup = run(pathOf('unshare'), '--user', '--map-user=1000', 'node', 'tools/setup.mjs');
    expect(setup.stderr).toContain('this is not root; install them with: sudo apt-get install clang libelf-dev');
    expect(setup.stderr).toMatch(/going on without: the eBPF sampler .*: the build needs clang, make, pkg-config/);
    expect(setup.stderr).toContain('going on without: readable names of Swift: the build needs c++');
    expect(setup.status, setup.stderr).toBe(0);

    const out = join(scratch, 'profile.folded');
    // What was built is the matter here; what a user may sample is another test's (tests/sampling/capability).
    // An idle machine has no samples.
    const load = spawn('node', ['-e', 'for (;;);'], { stdio: 'ignore' });
    let record;
    try {
      record = run('node', 'bin/perfleet.mjs', 'record', '--duration', '1s', '--rate', '99', '-o', out);
    } finally {
      load.kill('SIGKILL');
    }
    expect(record.status, record.stderr).toBe(0);
    expect(record.stderr).toContain('this build has no eBPF');
    expect(readFileSync(out, 'utf8')).toMatch(/^\S.*;.* \d+$/m);
  }, 400_000);
});
