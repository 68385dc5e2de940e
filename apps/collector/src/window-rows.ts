import type { ProfileInput } from '@perfleet/otlp';
import type { Window } from '@perfleet/sampler';

/** What a kind of rows is on the wire. */
export type RowKind = Pick<ProfileInput, 'sampleType' | 'periodType' | 'period'>;

/** The rows of a window that become samples of messages: those of CPU time, and then those of blocked time. */
export class WindowRows {
  readonly length: number;
  /** By how many samples each stands for. */
  private readonly cpu = new Map<number, RowKind>();
  private readonly ofCpu: number;

  constructor(private readonly window: Window) {
    this.ofCpu = window.samples.count.length;
    this.length = this.ofCpu + window.offCpu.count.length;
  }

  process(row: number): number {
    return this.column('process', row);
  }

  thread(row: number): number {
    return this.column('thread', row);
  }

  stack(row: number): number {
    return this.column('stack', row);
  }

  kind(row: number): RowKind {
    return row < this.ofCpu ? this.cpuKind(this.window.samples.oneIn?.[row] ?? 1) : OFF_CPU;
  }

  private cpuKind(oneIn: number): RowKind {
    let kind = this.cpu.get(oneIn);
    if (!kind) {
      kind = {
        sampleType: { type: 'samples', unit: 'count' },
        periodType: { type: 'cpu', unit: 'nanoseconds' },
        period: this.window.period * BigInt(oneIn),
      };
      this.cpu.set(oneIn, kind);
    }
    return kind;
  }

  /** In the unit of its kind. */
  value(row: number): number {
    if (row < this.ofCpu) return this.window.samples.count[row]!;
    const nanoseconds = this.window.offCpu.nanoseconds[row - this.ofCpu]!;
    return nanoseconds > MAX_SAFE ? Number.MAX_SAFE_INTEGER : Number(nanoseconds);
  }

  /** What it counts in `taken` and `stored`: a value that is no count is one sample, whoever reads it. */
  samples(row: number): number {
    return row < this.ofCpu ? this.value(row) : 1;
  }

  private column(name: 'process' | 'thread' | 'stack', row: number): number {
    const { samples, offCpu } = this.window;
    return row < this.ofCpu ? samples[name][row]! : offCpu[name][row - this.ofCpu]!;
  }
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
/** Each value is an estimate of its own, so there is no period. */
const OFF_CPU: RowKind = {
  sampleType: { type: 'off_cpu', unit: 'nanoseconds' },
  periodType: { type: 'off_cpu', unit: 'nanoseconds' },
  period: 0n,
};
