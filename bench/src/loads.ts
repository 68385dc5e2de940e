import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { cpuOf, type ProcessCpu } from './processes.ts';

/** Known programs that keep every CPU busy. */
export interface Load {
  readonly name: string;
  /** Name of the programs' processes; '' when the load is several programs. */
  readonly process: string;
  /** CPU seconds that its programs have used, those that have ended included. */
  cpu(): number;
  stop(): void;
}

export const SHORT = 'short-30ms';

function compile(root: string, source: string, output: string): void {
  const from = join(root, 'tests/workloads', source);
  execFileSync('g++', ['-O1', '-g', '-fno-omit-frame-pointer', '-fno-optimize-sibling-calls', '-o', output, from]);
}

/** Mix 1: on each CPU one C++ program with frame pointers and one Node program that writes a perf map. */
export function steadyLoad(root: string, directory: string): Load {
  const native = join(directory, 'burn-native');
  compile(root, 'burn.cpp', native);
  const node = join(directory, 'burn-node');
  copyFileSync(join(root, 'node_modules/node/bin/node'), node);
  const script = ['--perf-basic-prof', '--interpreted-frames-native-stack', join(root, 'tests/workloads/burn.cjs')];
  const children = cpus().flatMap(() => [spawn(native, { stdio: 'ignore' }), spawn(node, script, { stdio: 'ignore' })]);
  return {
    name: 'steady C++ and Node programs',
    process: '',
    cpu: () => children.reduce((sum, { pid }) => sum + own(cpuOf(pid!)), 0),
    stop: () => {
      end(children);
      for (const { pid } of children) rmSync(`/tmp/perf-${pid}.map`, { force: true });
    },
  };
}

/** Mix 2: on each CPU programs of 30 ms of CPU, one after another. */
export function shortLoad(root: string, directory: string): Load {
  const program = join(directory, SHORT);
  compile(root, 'short.cpp', program);
  const children = cpus().map(() => spawn('sh', ['-c', 'while :; do "$0"; done', program], { stdio: 'ignore' }));
  return {
    name: 'programs of 30 ms, back to back',
    process: SHORT,
    cpu: () => children.reduce((sum, { pid }) => sum + cpuOf(pid!).children, 0),
    stop: () => end(children),
  };
}

const own = ({ user, system }: ProcessCpu) => user + system;

function end(children: readonly ChildProcess[]): void {
  for (const child of children) {
    for (const pid of childrenOf(child.pid!)) kill(pid);
    child.kill('SIGKILL');
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Processes that this one started and that still run. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
