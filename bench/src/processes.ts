import { readdirSync, readFileSync } from 'node:fs';

/** CPU seconds. */
export interface ProcessCpu {
  readonly user: number;
  readonly system: number;
  /** Of children that have ended and were waited for. */
  readonly children: number;
}

const TICK = 1 / 100;
/** So often a tree that changes while it is read is read anew. */
const READINGS = 100;

/** From /proc/PID/stat; all zero when the process is gone. */
export function cpuOf(pid: number): ProcessCpu {
  const text = read(`/proc/${pid}/stat`);
  if (text === '') return { user: 0, system: 0, children: 0 };
  // The name may hold anything; the fields stand behind its closing parenthesis.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const at = (field: number) => fields[field - 3]! * TICK;
  return { user: at(14), system: at(15), children: at(16) + at(17) };
}

/**
 * CPU seconds of a process itself. The kernel rounds user and system time down to 10 ms each; the sum over threads is in nanoseconds
 * and lacks those that have ended, so the larger one is nearer.
 */
export function cpuOfProcess(pid: number): number {
  const { user, system } = cpuOf(pid);
  return Math.max(user + system, threadNs(pid).reduce((sum, [, ns]) => sum + ns, 0) / 1e9);
}

/** Living threads and the nanoseconds that each has run. */
export function threadNs(pid: number): Array<readonly [tid: string, ns: number]> {
  return list(`/proc/${pid}/task`).map((tid) => [
    tid,
    Number(read(`/proc/${pid}/task/${tid}/schedstat`).split(' ')[0]),
  ]);
}

/** CPU seconds of the threads of a process that have a name, as long as they live: for those of a pool that keeps them. */
export function cpuOfThreads(pid: number, name: string): number {
  return list(`/proc/${pid}/task`)
    .filter((tid) => read(`/proc/${pid}/task/${tid}/comm`).trim() === name)
    .reduce((sum, tid) => sum + Number(read(`/proc/${pid}/task/${tid}/schedstat`).split(' ')[0]) / 1e9, 0);
}

/** Processes that this one started, from whichever of its threads, and that it did not wait for yet. */
export function childrenOf(pid: number): number[] {
  return list(`/proc/${pid}/task`).flatMap((tid) =>
    read(`/proc/${pid}/task/${tid}/children`).trim().split(/\s+/).filter(Boolean).map(Number),
  );
}

/**
 * CPU seconds of everything that a process started, those that live and those that were waited for. The difference of two readings
 * is what they used between them: what a child had used before the first is in both, wherever it stands in the second.
 */
export function cpuOfChildren(pid: number): number {
  for (let reading = 1; ; reading++) {
    const { children: ended } = cpuOf(pid);
    const living = childrenOf(pid);
    const sum = living.reduce((all, child) => all + cpuOfTree(child), ended);
    // One that was waited for meanwhile is in neither part or in both.
    const same = cpuOf(pid).children === ended && String(childrenOf(pid)) === String(living);
    if (same || reading === READINGS) return sum;
  }
}

/** CPU seconds of a process and everything that it started. One whose parent did not wait for it is not found any more. */
export function cpuOfTree(pid: number): number {
  return cpuOfProcess(pid) + cpuOfChildren(pid);
}

/** As `cpuOfTree`, by the kernel's sums alone, and how much too small it may be by their rounding. */
export function cpuTicksOfTree(pid: number): { seconds: number; rounding: number } {
  let [seconds, rounding] = [0, 0];
  const tree = [pid];
  for (const each of tree) {
    tree.push(...childrenOf(each));
    const { user, system, children } = cpuOf(each);
    seconds += user + system + children;
    rounding += 4 * TICK;
  }
  return { seconds, rounding };
}

/** Name of a process, '' when it is gone. */
export const commOf = (pid: number): string => read(`/proc/${pid}/comm`).trim();

/** What a process holds in BPF: run time of its programs and memory of its maps and programs. */
export interface BpfUse {
  readonly runNs: number;
  readonly runs: number;
  readonly memoryBytes: number;
}

/** From /proc/PID/fdinfo; run times count only while kernel.bpf_stats_enabled is 1. */
export function bpfOf(pid: number): BpfUse {
  const seen = new Set<string>();
  let [runNs, runs, memoryBytes] = [0, 0, 0];
  for (const fd of list(`/proc/${pid}/fdinfo`)) {
    const text = read(`/proc/${pid}/fdinfo/${fd}`);
    const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(text)?.[1];
    const id = field('prog_id') ?? field('map_id');
    if (id === undefined) continue;
    const key = `${field('prog_id') === undefined ? 'map' : 'prog'} ${id}`;
    if (seen.has(key)) continue;
    seen.add(key);
    runNs += Number(field('run_time_ns') ?? 0);
    runs += Number(field('run_cnt') ?? 0);
    memoryBytes += Number(field('memlock') ?? 0);
  }
  return { runNs, runs, memoryBytes };
}

/** Seconds that CPUs had nothing to do since the machine's start, of all of them together. */
export function idleSeconds(): number {
  const [, , , , idle, iowait] = read('/proc/stat').split('\n', 1)[0]!.split(/\s+/).map(Number);
  return (idle! + iowait!) * TICK;
}

/** Memory of a process, MB. */
export interface MemoryUse {
  /** Resident, but for what it shares with the kernel. */
  readonly residentMb: number;
  /** Rings of perf events, whole. */
  readonly ringsMb: number;
}

const BPF_MAP = 'anon_inode:bpf-map';
const PERF_RING = 'anon_inode:[perf_event]';

/**
 * From /proc/PID/smaps. Arrays and rings of BPF and of perf events that a process maps are memory of the kernel, which has it whether
 * they are mapped or not: `bpfOf` tells the former. They are in the process's VmRSS, a ring of BPF twice.
 */
export function memoryOf(pid: number): MemoryUse {
  let [resident, rings, name] = [0, 0, ''];
  for (const line of read(`/proc/${pid}/smaps`).split('\n')) {
    const head = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)$/.exec(line);
    if (head) name = head[1]!;
    const [, field, kb] = /^(Rss|Size): +(\d+) kB$/.exec(line) ?? [];
    if (field === 'Rss' && name !== BPF_MAP && name !== PERF_RING) resident += Number(kb);
    if (field === 'Size' && name === PERF_RING) rings += Number(kb);
  }
  return { residentMb: resident / 1024, ringsMb: rings / 1024 };
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
