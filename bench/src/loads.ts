import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { giveOwnPriority } from './priority.ts';
import { childrenOf, cpuOfChildren, cpuOfProcess } from './processes.ts';

/** Known programs. */
export interface Load {
  readonly name: string;
  /** Whether every CPU is busy all the time, so that each sample that is due is taken. */
  readonly full: boolean;
  /** Names of its programs, whose stacks are looked at: all begin in `main` (`isMain`). */
  readonly programs: readonly string[];
  /** Their processes, where these stay the same. */
  readonly pids: readonly number[];
  /** Its stacks have 40 frames. */
  readonly deep: boolean;
  /** CPU seconds that its programs have used, those that have ended included. */
  cpu(): number;
  /** Lets others have the CPUs, as for reading what was recorded, until `resume`. */
  pause(): void;
  resume(): void;
  stop(): void;
}

export const SHORT = 'short-30ms';

const NODE = 'burn-node';
/** Where the main threads of loads begin. The `main` of Node calls the other one last, and its own frame is gone then. */
export const isMain = (name: string): boolean => /^(main|node::Start)\b/.test(name);
const FRAME_POINTERS = ['-O1', '-g', '-fno-omit-frame-pointer', '-fno-optimize-sibling-calls'];
/** As programs are built for use, but for the calls that must be there. */
const OPTIMISED = ['-O2', '-fomit-frame-pointer', '-fno-optimize-sibling-calls'];

/** Once for all rates. */
function compile(root: string, source: string, output: string, flags = FRAME_POINTERS): void {
  if (existsSync(output)) return;
  execFileSync('g++', [...flags, '-o', output, join(root, 'tests/workloads', source)]);
}

/** Mix 1: on each CPU one optimised C++ program, 40 frames deep, and one Node program that writes a perf map. */
export function steadyLoad(root: string, directory: string): Load {
  const native = join(directory, 'deep');
  compile(root, 'deep.cpp', native, OPTIMISED);
  const node = join(directory, NODE);
  if (!existsSync(node)) copyFileSync(join(root, 'node_modules/node/bin/node'), node);
  const script = ['--perf-basic-prof', '--interpreted-frames-native-stack', join(root, 'tests/workloads/burn.cjs')];
  const children = cpus().flatMap(() => [start(native), start(node, script)]);
  return {
    name: 'steady C++ and Node programs',
    full: true,
    programs: ['deep', NODE],
    pids: children.map(({ pid }) => pid!),
    deep: false,
    cpu: () => cpuOfAll(children),
    ...controls(children),
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
    full: true,
    programs: [SHORT],
    pids: [],
    deep: false,
    cpu: () => children.reduce((sum, { pid }) => sum + cpuOfChildren(pid!), 0),
    ...controls(children),
  };
}

/** Mix 3: 300 busy processes of 40 programs, optimised, without frame pointers, 40 frames deep. */
export function manyLoad(root: string, directory: string, quick: boolean): Load {
  const [programs, processes] = quick ? [4, 20] : [40, 300];
  const paths = Array.from({ length: programs }, (_, i) => join(directory, `deep-${i}`));
  for (const [i, path] of paths.entries()) compile(root, 'deep.cpp', path, [...OPTIMISED, `-DVARIANT=${i}`]);
  const children = Array.from({ length: processes }, (_, i) => start(paths[i % programs]!));
  return {
    name: `${processes} processes of ${programs} programs, 40 frames deep`,
    full: true,
    programs: paths.map((path) => basename(path)),
    pids: children.map(({ pid }) => pid!),
    deep: true,
    cpu: () => cpuOfAll(children),
    ...controls(children),
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
    programs: [],
    pids: [],
    deep: false,
    cpu: () => cpuOfChildren(children[0]!.pid!),
    ...controls(children),
  };
}

/** Nothing: what is left is what it costs to be there. */
export function noLoad(): Load {
  return { name: 'idle', full: false, programs: [], pids: [], deep: false, cpu: () => 0, ...controls([]) };
}

const cpuOfAll = (children: readonly ChildProcess[]) => children.reduce((sum, { pid }) => sum + cpuOfProcess(pid!), 0);

/** Programs that run; none outlives this process. */
const started = new Set<ChildProcess>();
process.once('exit', () => end([...started]));

/** Of a priority of its own once it runs: `spawn` waits until it does, which among hundreds of busy ones takes a second each. */
function start(program: string, args: readonly string[] = []): ChildProcess {
  const child = spawn(program, args, { stdio: 'ignore' });
  if (child.pid !== undefined) giveOwnPriority(child.pid);
  started.add(child);
  return child;
}

function controls(children: readonly ChildProcess[]): Pick<Load, 'pause' | 'resume' | 'stop'> {
  return {
    pause: () => signal(children, 'SIGSTOP'),
    resume: () => signal(children, 'SIGCONT'),
    stop: () => end(children),
  };
}

/** To what was started, and then to what that started: it starts no other meanwhile. */
function signal(children: readonly ChildProcess[], name: NodeJS.Signals): void {
  for (const { pid } of children) {
    send(pid!, name);
    for (const each of childrenOf(pid!)) send(each, name);
  }
}

function end(children: readonly ChildProcess[]): void {
  signal(children, 'SIGSTOP');
  for (const child of children) {
    for (const pid of childrenOf(child.pid!)) send(pid, 'SIGKILL');
    child.kill('SIGKILL');
    started.delete(child);
  }
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}
