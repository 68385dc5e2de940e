import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * Counts what the kernel killed for want of memory in a process's memory cgroup: a SIGKILL does not say who sent it.
 * v2: `oom_kill` of `memory.events`; v1: `oom_kill` of `memory.oom_control`
 * (https://docs.kernel.org/admin-guide/cgroup-v2.html, …/cgroup-v1/memory.html). Never throws.
 */
export class OomKills {
  private readonly files: readonly string[];
  private readonly before: number;

  constructor(pid: number | undefined) {
    this.files = pid === undefined ? [] : memoryFiles(read(`/proc/${pid}/cgroup`), read('/proc/self/mountinfo'));
    this.before = this.count();
  }

  /** Kills since this was made; 0 also when nothing can be read. */
  since(): number {
    return Math.max(0, this.count() - this.before);
  }

  private count(): number {
    for (const file of this.files) {
      const kills = /^oom_kill (\d+)$/m.exec(read(file))?.[1];
      if (kills !== undefined) return Number(kills);
    }
    return 0;
  }
}

/** Where the counter may be: the mounts tell where the process's cgroup is seen from here. */
export function memoryFiles(cgroup: string, mountinfo: string): string[] {
  const paths = cgroup.split('\n').map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
  const files: string[] = [];
  for (const line of mountinfo.split('\n')) {
    const mount = /^\d+ \d+ \d+:\d+ (\S+) (\S+) .* - (cgroup2?) \S+ (\S+)$/.exec(line);
    if (!mount) continue;
    const [, root = '/', point = '', type, options = ''] = mount;
    const v1 = type === 'cgroup';
    if (v1 && !options.split(',').includes('memory')) continue;
    for (const path of paths) {
      if (!path || (v1 ? !path[1]!.split(',').includes('memory') : path[1] !== '')) continue;
      const below = relative(root, path[2]!);
      if (below.startsWith('..')) continue;
      files.push(join(point, below, v1 ? 'memory.oom_control' : 'memory.events'));
    }
  }
  return files;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
