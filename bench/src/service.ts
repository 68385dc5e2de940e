import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { samplerBinaryPath } from '@perfleet/sampler';
import { cpuOf, cpuOfThreads } from './processes.ts';

/** A service of the product in a process of its own, as a cluster runs it: its CPU and memory are nobody else's. */
export interface Service {
  readonly pid: number;
  /** The line that says that it is ready. */
  readonly line: string;
  /** CPU seconds, user and system. @param threads of those alone that are called so */
  cpu(threads?: string): number;
  /** What it said on standard error last. */
  errors(): string;
  /** @throws Error when it has ended */
  mustRun(): void;
  /** Stands still until `resume`. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

/** @throws Error with what it said when it ends before it is ready */
export async function startService(
  root: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Service> {
  const command = [process.execPath, join(root, 'bin/perfleet.mjs'), ...args, '--log-level', 'error'];
  // As images start them (deploy/images/Dockerfile): a collector goes before everything else until it has started.
  const [program, ...rest] = args[0] === 'collector' ? [samplerBinaryPath(), '--first', ...command] : command;
  const child = spawn(program!, rest, {
    env: { ...process.env, PERFLEET_KAFKA_BROKERS: '', PERFLEET_REDIS_URL: '', PERFLEET_CLICKHOUSE_URL: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (data) => (errors = (errors + String(data)).slice(-2000)));
  const ended = once(child, 'exit');
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const [data] = (await Promise.race([
    once(child.stdout, 'data'),
    ended.then(() => Promise.reject(new Error(`perfleet ${args[0]} did not start: ${errors.trim()}`))),
  ])) as [Buffer];
  return {
    pid: child.pid!,
    line: String(data).trim(),
    cpu: (threads) => {
      if (threads !== undefined) return cpuOfThreads(child.pid!, threads);
      const { user, system } = cpuOf(child.pid!);
      return user + system;
    },
    errors: () => errors.trim(),
    mustRun() {
      if (child.exitCode === null && child.signalCode === null) return;
      throw new Error(`perfleet ${args[0]} ended (${child.signalCode ?? child.exitCode}): ${errors.trim()}`);
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop() {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const late = setTimeout(kill, 20_000);
      await ended;
      clearTimeout(late);
      process.removeListener('exit', kill);
    },
  };
}
