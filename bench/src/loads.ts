import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { cpuOf, type ProcessCpu } from './processes.ts';

/** Known programs. */
export interface Load {
  readonly name: string;
  /** Whether every CPU is busy all the time, so that each sample that is due is taken. */
  readonly full: boolean;
  /** Name of the programs' processes; '' when the load is several programs. */
  readonly process: string;
  /** CPU seconds that its programs have used, those that have ended included. */
  cpu(): number;
  stop(): void;
}

export const SHORT = 'short-30ms';

const FRAME_POINTERS = ['-O1', '-g', '-fno-omit-frame-pointer', '-fno-optimize-sibling-calls'];

function compile(root: string, source: string, output: string, flags = FRAME_POINTERS): void {
  execFileSync('g++', [...flags, '-o', output, join(root, 'tests/workloads', source)]);
}

/** Mix 1: on each CPU one C++ program with frame pointers and one Node program that writes a perf map. */
export function steadyLoad(root: string, directory: string): Load {
  const native = join(directory, 'burn-native');
  compile(root, 'burn.cpp', native);
  const node = join(directory, 'burn-node');
  copyFileSync(join(root, 'node_modules/node/bin/node'), node);
  const script = ['--perf-basic-prof', '--interpreted-frames-native-stack', join(root, 'tests/workloads/burn.cjs')];
  const children = cpus().flatMap(() => [start(native), start(node, script)]);
  return {
    name: 'steady C++ and Node programs',
    full: true,
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
  const children = cpus().map(() => start('sh', ['-c', 'while :; do "$0"; done', program]));
  return {
    name: 'programs of 30 ms, back to back',
    full: false,
    process: SHORT,
    cpu: () => children.reduce((sum, { pid }) => sum + cpuOf(pid!).children, 0),
    stop: () => end(children),
  };
}

/** Mix 3: 300 busy processes of 40 programs, optimised, without frame pointers, 40 frames deep. */
export function manyLoad(root: string, directory: string, quick: boolean): Load {
  const [programs, processes] = quick ? [4, 20] : [40, 300];
  const paths = Array.from({ length: programs }, (_, i) => join(directory, `deep-${i}`));
  for (const [i, path] of paths.entries())
    compile(root, 'deep.cpp', path, ['-O2', '-fomit-frame-pointer', '-fno-optimize-sibling-calls', `-DVARIANT=${i}`]);
  const children = Array.from({ length: processes }, (_, i) => start(paths[i % programs]!));
  return {
    name: `${processes} processes of ${programs} programs, 40 frames deep`,
    full: true,
    process: '',
    cpu: () => children.reduce((sum, { pid }) => sum + own(cpuOf(pid!)), 0),
    stop: () => end(children),
  };
}

/** Mix 4: a process of `true` 200 times a second on a machine that is idle otherwise. */
export function execLoad(root: string, directory: string): Load {
  const program = join(directory, 'execs');
  compile(root, 'execs.cpp', program, ['-O2']);
  const children = [start(program, ['200', '/bin/true'])];
  return {
    name: '200 execs a second, else idle',
    full: false,
    process: '',
    cpu: () => cpuOf(children[0]!.pid!).children,
    stop: () => end(children),
  };
}

/** Nothing: what is left is what it costs to be there. */
export function noLoad(): Load {
  return { name: 'idle', full: false, process: '', cpu: () => 0, stop: () => undefined };
}

const own = ({ user, system }: ProcessCpu) => user + system;

/** Programs that run; none outlives this process. */
const started = new Set<ChildProcess>();
process.once('exit', () => end([...started]));

function start(program: string, args: readonly string[] = []): ChildProcess {
  const child = spawn(program, args, { stdio: 'ignore' });
  started.add(child);
  return child;
}

function end(children: readonly ChildProcess[]): void {
  for (const child of children) {
    for (const pid of childrenOf(child.pid!)) kill(pid);
    child.kill('SIGKILL');
    started.delete(child);
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
