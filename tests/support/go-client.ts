import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { join } from 'node:path';
import { requireTool, tempDir, type ToolCheck } from '@perfleet/testing';

/** A program that speaks a protocol with somebody else's library. */
export interface Client extends ToolCheck {
  /** Standard output. Rejects when the program fails, with what it wrote to standard error */
  run(...args: string[]): Promise<string>;
}

/** A program of `tests/clients`, compiled; its modules come through Go's proxy the first time. */
export function goClient(name: string): Client {
  const go = ['go', '/usr/local/go/bin/go'].find((path) => spawnSync(path, ['version']).status === 0);
  const unavailable = (reason: string): Client => ({
    available: false,
    reason,
    run: () => Promise.reject(new Error(reason)),
  });
  if (go === undefined) return unavailable(requireTool('go').reason);
  const binary = join(tempDir('perfleet-go-').path, name);
  const cwd = join(import.meta.dirname, '..', 'clients', name);
  const build = spawnSync(go, ['build', '-o', binary, '.'], { cwd, encoding: 'utf8', timeout: 180_000 });
  if (build.status !== 0)
    return unavailable(`go build: ${(build.stderr || String(build.error)).trim().split('\n').at(-1)}`);
  return {
    available: true,
    reason: '',
    run: async (...args) => (await promisify(execFile)(binary, args, { timeout: 60_000, maxBuffer: 16 << 20 })).stdout,
  };
}
