import { readdirSync, readFileSync } from 'node:fs';

/** CPU seconds. */
export interface ProcessCpu {
  readonly user: number;
  readonly system: number;
  /** Of children that have ended and were waited for. */
  readonly children: number;
}

const TICK = 1 / 100;

/** From /proc/PID/stat; all zero when the process is gone. */
export function cpuOf(pid: number): ProcessCpu {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name may hold anything; the fields stand behind its closing parenthesis.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const at = (field: number) => fields[field - 3]! * TICK;
    return { user: at(14), system: at(15), children: at(16) + at(17) };
  } catch {
    return { user: 0, system: 0, children: 0 };
  }
}

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

/** Locked and pinned memory of a process, MB: ring buffers among them. */
export function lockedMb(pid: number): number {
  const text = read(`/proc/${pid}/status`);
  const kb = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
  return (kb('VmLck') + kb('VmPin')) / 1024;
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
