import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { requireTool } from '@perfleet/testing';
import type { Client } from './go-client.ts';
import { repository } from './workloads.ts';

interface PythonClientOptions {
  /** Of `tests/clients`; it has its own requirements. */
  readonly folder?: string;
  readonly timeoutMs?: number;
}

/** A script of `tests/clients/python` with its packages, which pip installs the first time into `.cache`. */
export function pythonClient(
  script: string,
  { folder: name = 'python', timeoutMs = 60_000 }: PythonClientOptions = {},
): Client {
  const folder = join(import.meta.dirname, '..', 'clients', name);
  const requirements = join(folder, 'requirements.txt');
  const version = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const environment = join(repository, '.cache', `${name}-clients-${version}`);
  const python = join(environment, 'bin', 'python3');
  const unavailable = (reason: string): Client => {
    rmSync(environment, { recursive: true, force: true });
    return { available: false, reason, run: () => Promise.reject(new Error(reason)) };
  };
  const tool = requireTool('python3');
  if (!tool.available) return unavailable(tool.reason);
  const step = (command: string, args: string[]) => spawnSync(command, args, { encoding: 'utf8', timeout: 120_000 });
  if (!existsSync(python)) {
    const made = step('python3', ['-m', 'venv', environment]);
    if (made.status !== 0) return unavailable('python3 -m venv fails; sudo apt-get install python3-venv');
    const installed = step(python, ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', '-r', requirements]);
    if (installed.status !== 0) return unavailable(`pip: ${installed.stderr.trim().split('\n').at(-1)}`);
  }
  const run = async (...args: string[]) =>
    (await promisify(execFile)(python, [join(folder, script), ...args], { timeout: timeoutMs, maxBuffer: 64 << 20 }))
      .stdout;
  return { available: true, reason: '', run };
}
