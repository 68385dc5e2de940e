import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface Workloads {
  /** Process names as the profiler shows them. */
  readonly native: string;
  readonly node: string;
  readonly pids: { readonly native: number; readonly node: number };
  stop(): void;
}

/** Starts the C++ and the Node program, each burning one CPU at 70 / 30 in two known functions. */
export function startWorkloads(): Workloads {
  const dir = mkdtempSync(join(tmpdir(), 'perfleet-burn-'));
  const native = join(dir, 'burn-native');
  execFileSync('g++', [
    '-O1',
    '-g',
    '-fno-omit-frame-pointer',
    '-o',
    native,
    join(repository, 'tests/workloads/burn.cpp'),
  ]);
  // A copy under its own name: the machine's other Node processes (this test among them) keep apart.
  const node = join(dir, 'burn-node');
  copyFileSync(join(repository, 'node_modules/node/bin/node'), node);
  const children: ChildProcess[] = [
    spawn(native, { stdio: 'ignore' }),
    spawn(
      node,
      [
        ...['--perf-basic-prof', '--interpreted-frames-native-stack'],
        // After half a minute V8 would inline both functions into their caller, and a perf map has no inlined ones.
        ...['--no-turbo-inlining', '--no-maglev-inlining'],
        join(repository, 'tests/workloads/burn.cjs'),
      ],
      { stdio: 'ignore' },
    ),
  ];
  return {
    native: 'burn-native',
    node: 'burn-node',
    pids: { native: children[0]!.pid!, node: children[1]!.pid! },
    stop: () => {
      for (const child of children) {
        child.kill('SIGKILL');
        rmSync(`/tmp/perf-${child.pid}.map`, { force: true });
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The known functions of each program: name → share. */
export const SHARES = {
  native: { hot: /^hot_seventy$/, cold: /^cold_thirty$/ },
  node: { hot: /\bhotSeventy\b/, cold: /\bcoldThirty\b/ },
} as const;
