import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { setFlagsFromString } from 'node:v8';

/** Of a start, which takes a third of a second of CPU, as the sampler's is (native/sampler/src/system.rs); bin/perfleet.mjs begins it. */
const NICE_AT_START = -10;
/** Below the sampler's. */
const NICE = -5;
/** How long a start goes before everything else, in milliseconds; the sampler's as long (native/sampler/src/run.rs). */
const START_MS = 3000;
/** SCHED_RR, as the kernel numbers it. */
const ROUND_ROBIN = 2;

/**
 * What makes a process fit for the collector, before its code is loaded, which is most of what it ever allocates.
 *
 * A young generation that keeps its first size instead of growing to twice 16 MiB is an eighth of its memory. And a busy node is what
 * it is there for: with hundreds of runnable processes a turn among equals comes once in seconds, and the collector needs little CPU
 * (its budget is kept by the governor). Without CAP_SYS_NICE it takes its turn. Images start it at a priority of real time
 * (native/sampler/src/first.rs), which ends here with the start, whether that came to its end or not.
 * @param sampler the sampler's program, which can end it
 * @param startMs milliseconds until then
 */
export function prepareCollectorProcess(sampler: string, startMs = START_MS): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  takeTurn(NICE_AT_START);
  setTimeout(() => settle(sampler), startMs).unref();
}

function settle(sampler: string): void {
  takeTurn(NICE);
  if (policy() !== ROUND_ROBIN) return;
  execFile(sampler, ['--settle', String(process.pid)], (error) => {
    if (error) process.stderr.write(`perfleet: the collector keeps the priority of its start: ${error.message}\n`);
  });
}

/** Of this process's first thread: the 41st field, the 39th behind the name. */
function policy(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38]);
}

/** With all its threads: those that V8 made before collect garbage while the first one waits for them. */
function takeTurn(nice: number): void {
  for (const thread of readdirSync('/proc/self/task'))
    try {
      setPriority(Number(thread), nice);
    } catch {
      // Not allowed to, or it has ended.
    }
}
