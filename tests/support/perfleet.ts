import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { repository } from './workloads.ts';

export interface Running {
  readonly line: string;
  readonly child: ChildProcess;
  /** Everything it wrote to standard error. */
  log(): string;
  /** Sends the signal; resolves with the exit code and how long it took. */
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; ms: number }>;
}

const node = join(repository, 'node_modules/node/bin/node');
const bundle = join(repository, 'bin/perfleet.mjs');

/**
 * Starts a service and resolves with its first line on standard output, which says that it is ready.
 * @param wrapper command line that runs another one, e.g. in other mounts; it must become that process
 */
export function startPerfleet(
  args: readonly string[],
  env: Record<string, string> = {},
  deadlineMs = 60_000,
  wrapper: readonly string[] = [],
): Promise<Running> {
  const [file, ...rest] = [...wrapper, node, bundle, ...args] as [string, ...string[]];
  const child = spawn(file, rest, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  let out = '';
  const exited = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
  child.stderr.on('data', (data) => (log = (log + String(data)).slice(-500_000)));
  process.on('exit', () => child.kill('SIGKILL'));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`perfleet ${args[0]} was not ready within ${deadlineMs} ms:\n${log}`));
    }, deadlineMs);
    child.stdout.on('data', (data) => {
      out += String(data);
      const end = out.indexOf('\n');
      if (end < 0) return;
      clearTimeout(timer);
      resolve({
        line: out.slice(0, end),
        child,
        log: () => log,
        stop: async (signal = 'SIGINT') => {
          const began = performance.now();
          child.kill(signal);
          return { code: await exited, ms: performance.now() - began };
        },
      });
    });
    void exited.then((code) => {
      clearTimeout(timer);
      reject(new Error(`perfleet ${args.join(' ')} ended with ${code}:\n${log}`));
    });
  });
}

/** Runs a command to its end. */
export function runPerfleet(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(node, [bundle, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (data) => (out += String(data)));
  child.stderr.on('data', (data) => (err += String(data)));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

export function urlIn(line: string): string {
  const url = /http:\/\/\S+/.exec(line)?.[0];
  if (!url) throw new Error(`no address in: ${line}`);
  return url;
}

/** The best rung of the ladder that this machine allows, as the sampler says. */
export function bestRung(): number {
  const probe = execFileSync(join(repository, 'native/target/release/perfleet-sampler'), ['--probe'], {
    encoding: 'utf8',
  });
  const { rungs } = JSON.parse(probe) as { rungs: Array<{ rung: number; ok: boolean }> };
  return rungs.find(({ ok }) => ok)?.rung ?? 4;
}
