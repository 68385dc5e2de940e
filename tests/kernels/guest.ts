import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Context, Program } from './checks.ts';
import type { Scenario } from './scenarios.ts';

type Programs = Pick<Context, 'chain' | 'short' | 'other' | 'loader'>;

const FLAGS = ['-O2', '-fomit-frame-pointer', '-Wl,--build-id', '-o'];

/** Makes an initramfs of busybox, the sampler, the programs to be sampled and the libraries that they need. */
export function buildGuest(
  dir: string,
  parts: {
    readonly here: string;
    readonly busybox: string;
    readonly sampler: string;
    readonly scenarios: readonly Scenario[];
  },
): { readonly initramfs: string; readonly programs: Programs } {
  const root = join(dir, 'guest');
  rmSync(root, { recursive: true, force: true });
  for (const path of ['bin', 'opt', 'proc', 'sys', 'dev', 'tmp', 'out', 'etc'])
    mkdirSync(join(root, path), { recursive: true });
  cpSync(parts.busybox, join(root, 'bin/busybox'));
  cpSync(join(parts.here, 'guest/init.sh'), join(root, 'init'));
  chmodSync(join(root, 'init'), 0o755);
  const source = join(parts.here, 'guest/chain.cpp');
  // The same source makes programs of different code: they differ in their build ids and sizes.
  for (const [name, more] of [
    ['chain', []],
    ['short', ['-DSHORT']],
    ['other', ['-DOTHER', '-O1']],
  ] as const) {
    execFileSync('g++', [...FLAGS, join(root, 'bin', name), source, ...more]);
  }
  cpSync(parts.sampler, join(root, 'bin/perfleet-sampler'));
  // busybox has one that can do less.
  cpSync(find('setpriv'), join(root, 'opt/setpriv'));
  const libraries = ['bin/perfleet-sampler', 'opt/setpriv', 'bin/chain'].flatMap((name) =>
    librariesOf(join(root, name)),
  );
  for (const library of new Set(libraries)) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    cpSync(realpathSync(library), join(root, library));
  }
  writeFileSync(join(root, 'scenarios.sh'), scenariosScript(parts.scenarios));
  const initramfs = join(dir, 'initramfs');
  const archive = `find . | ${parts.busybox} cpio -o -H newc 2> /dev/null | gzip -1 > '${initramfs}'`;
  execFileSync('sh', ['-c', `set -e; ${archive}`], { cwd: root });
  const loader = libraries.find((library) => library.includes('ld-linux'));
  if (!loader)
    throw new Error('the programs have no dynamic loader: they are static here, which the checks do not expect');
  const program = (path: string): Program => describe(path, join(root, path));
  return {
    initramfs,
    programs: {
      chain: program('/bin/chain'),
      short: program('/bin/short'),
      other: program('/bin/other'),
      loader: program(loader),
    },
  };
}

/**
 * Each scenario between two lines that the host waits for. What it wrote is an archive on the second serial port before the second
 * line: a guest that dies in a later one takes nothing of it along.
 */
export function scenariosScript(scenarios: readonly Scenario[]): string {
  return scenarios
    .map(
      ({ name, guest }) =>
        `echo "@@ begin ${name}"\n{\n${guest}\n} 2> /out/${name}.err\nsend ${name}\necho "@@ done ${name}"\n`,
    )
    .join('');
}

function find(command: string): string {
  return execFileSync('sh', ['-c', 'command -v "$1"', 'sh', command], { encoding: 'utf8' }).trim();
}

/** Absolute paths of the shared libraries and the loader. */
function librariesOf(path: string): string[] {
  const text = execFileSync('ldd', [path], { encoding: 'utf8' });
  return [...text.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1]!);
}

function describe(path: string, file: string): Program {
  const symbols = execFileSync('nm', ['-S', '--defined-only', file], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return {
    path,
    entry: readFileSync(file).readBigUInt64LE(24),
    symbols: [...symbols.matchAll(/^([0-9a-f]+) ([0-9a-f]+) [tTwW] (\S+)$/gm)].map(([, start, size, name]) => ({
      name: name!,
      start: BigInt(`0x${start}`),
      size: BigInt(`0x${size}`),
    })),
  };
}
