import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isMain, type Load } from './loads.ts';

export interface PerfRun {
  /** From its start to its end. */
  readonly seconds: number;
  /** CPU that the load used in that time. */
  readonly loadCpu: number;
  /** User and system CPU of perf, its end included. */
  readonly cpu: number;
  readonly samples: number;
  readonly fileBytes: number;
  /** Of the load's programs: samples, and those whose stack has `main`; NaN where `perf script` crashed. */
  readonly ofPrograms: number;
  readonly reachMain: number;
}

/**
 * `perf record -a` for some seconds, and what it wrote read by `perf script`. Without build ids (-B -N): to collect them at its
 * end it reads every binary it met, and version 6.1 crashes there when there are many short processes.
 * @param graph `fp` (`-g`) or `dwarf` (`--call-graph dwarf`)
 * @param load its programs' samples are counted one by one
 */
export async function perfRecord(
  graph: 'fp' | 'dwarf',
  rate: number,
  seconds: number,
  file: string,
  load: Pick<Load, 'programs' | 'pids' | 'cpu' | 'pause' | 'resume'>,
): Promise<PerfRun> {
  const flags = graph === 'fp' ? '-g' : '--call-graph dwarf';
  const [started, loadBefore] = [performance.now(), load.cpu()];
  // The shell says what its children used; Node has no such call. Above others, as the sampler is: among hundreds of busy processes
  // perf would begin late and end later.
  const { out, err } = await run('bash', [
    '-c',
    `renice -n -10 -p $$ >&2; perf record -B -N ${flags} -a -F ${rate} -o "$0" -- sleep ${seconds} || exit; times`,
    file,
  ]);
  const took = (performance.now() - started) / 1000;
  const loadCpu = load.cpu() - loadBefore;
  const cpu = [...(out.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.,]+)s/g)].reduce(
    (sum, [, minutes, rest]) => sum + Number(minutes) * 60 + Number(rest!.replace(',', '.')),
    0,
  );
  load.pause();
  try {
    const samples = existsSync(file) ? await countSamples(file) : 0;
    if (samples === 0) throw new Error(`perf record wrote no samples: ${err.trim().slice(-300)}`);
    const fileBytes = statSync(file).size;
    const stacks = load.programs.length > 0 ? await countStacks(file, load) : { ofPrograms: 0, reachMain: 0 };
    return { seconds: took, loadCpu, cpu, samples, fileBytes, ...stacks };
  } finally {
    rmSync(file, { force: true });
    load.resume();
  }
}

/** The only line of its statistics that is needed: reading the samples one by one resolves every address. */
async function countSamples(file: string): Promise<number> {
  const { out } = await run('perf', ['report', '-i', file, '--stats']);
  return Number(/SAMPLE events:\s+(\d+)/.exec(out)?.[1] ?? 0);
}

/** Samples of programs, and those whose stack has `main`; a sample is a paragraph. Programs may rename themselves: by number, if known. */
async function countStacks(
  file: string,
  { programs, pids }: Pick<Load, 'programs' | 'pids'>,
): Promise<Pick<PerfRun, 'ofPrograms' | 'reachMain'>> {
  const which = pids.length > 0 ? ['--pid', pids.join()] : ['--comms', programs.join()];
  const child = spawn('perf', ['script', '-i', file, ...which, '-F', 'comm,ip,sym'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(child, 'close');
  let [ofPrograms, reachMain, inSample, main] = [0, 0, false, false];
  const close = () => {
    if (inSample && main) reachMain++;
    [inSample, main] = [false, false];
  };
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.trim() === '') close();
    else if (!/^\s/.test(line)) {
      close();
      ofPrograms++;
      inSample = true;
    } else if (isMain(line.replace(/^\s+[0-9a-f]+ /, ''))) main = true;
  }
  close();
  // Version 6.1 overruns a buffer of its own now and then.
  return (await ended)[0] === 0 ? { ofPrograms, reachMain } : { ofPrograms: NaN, reachMain: NaN };
}

function run(command: string, args: readonly string[]): Promise<{ out: string; err: string }> {
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (data) => (out += String(data)));
  child.stderr.on('data', (data) => (err += String(data)));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve({ out, err }));
  });
}
