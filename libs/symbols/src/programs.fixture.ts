import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

/** Runs a tool and answers what it prints. */
export function run(command: string, args: readonly string[], options: { cwd?: string; input?: string } = {}): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'ignore'],
    ...options,
  });
}

/** Compiles C source to `path`, statically linked so that it runs in any root. */
export function compileC(path: string, source: string, flags: readonly string[] = []): void {
  writeFileSync(`${path}.c`, source);
  run('gcc', ['-g', '-static', '-Wl,--build-id', ...flags, '-o', path, `${path}.c`]);
}

export function buildIdOf(path: string): string {
  return /Build ID: ([0-9a-f]+)/.exec(run('readelf', ['-n', path]))![1]!;
}

/** Address of a function symbol. */
export function addressOf(path: string, name: string): bigint {
  const line = run('nm', [path])
    .split('\n')
    .find((l) => / [tT] /.test(l) && l.endsWith(` ${name}`));
  if (!line) throw new Error(`${path} has no function ${name}`);
  return BigInt(`0x${line.split(' ')[0]}`);
}

export const WAITING_PROGRAM = '#include <unistd.h>\nint main(void) { return pause(); }\n';
