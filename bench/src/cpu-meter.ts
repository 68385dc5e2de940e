import { childrenOf, cpuTicksOfTree, threadNs } from './processes.ts';

/** So often the tree is looked at, milliseconds: makers of tables, which come and go, are idle for longer before they end. */
const LOOK_MS = 250;

/** What a tree of processes had used at a moment. */
export interface CpuReading {
  /** CPU seconds of its threads, to the nanosecond. */
  readonly threads: number;
  /** CPU seconds by the kernel's sums for processes, and how much too small these may be by their rounding. */
  readonly sums: number;
  readonly rounding: number;
}

export const AT_START: CpuReading = { threads: 0, sums: 0, rounding: 0 };

/**
 * CPU seconds between two readings. What came and went between two looks at the threads is in the sums only, so of the two the larger
 * one tells, the sums less what rounding may add.
 */
export function cpuBetween(before: CpuReading, after: CpuReading): number {
  return Math.max(after.threads - before.threads, after.sums - before.sums - before.rounding);
}

/**
 * CPU of a process and of everything that it starts: what each thread has run, as the scheduler counts it. A thread that has ended
 * keeps what it had at the last look.
 */
export class CpuMeter {
  private readonly threads = new Map<string, number>();
  /** Of threads whose number was used again. */
  private replacedNs = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly root: number) {
    this.look();
    this.timer = setInterval(() => this.look(), LOOK_MS);
    this.timer.unref();
  }

  read(): CpuReading {
    this.look();
    const { seconds, rounding } = cpuTicksOfTree(this.root);
    const ns = [...this.threads.values()].reduce((sum, each) => sum + each, this.replacedNs);
    return { threads: ns / 1e9, sums: seconds, rounding };
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const tree = [this.root];
    for (const pid of tree) {
      tree.push(...childrenOf(pid));
      for (const [tid, ns] of threadNs(pid)) {
        if (ns === 0) continue;
        const key = `${pid} ${tid}`;
        const before = this.threads.get(key) ?? 0;
        if (ns < before) this.replacedNs += before;
        this.threads.set(key, ns);
      }
    }
  }
}
