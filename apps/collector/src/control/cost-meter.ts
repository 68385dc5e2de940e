import type { SamplerStats } from '@perfleet/sampler';
import type { Usage } from './governor.ts';

export interface OwnCost {
  /** Since the start of the process, milliseconds. */
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** The cost of this process, all its threads included. */
export function processCost(): OwnCost {
  const { user, system } = process.cpuUsage();
  return { cpuMs: (user + system) / 1000, rssBytes: process.memoryUsage.rss() };
}

interface Point {
  readonly at: number;
  readonly cpuMs: number;
  readonly memoryMib: number;
}

/** Points that are kept, whatever the windows are. */
const MAX_POINTS = 4096;

/** Adds up what collector and sampler cost, from cumulative counts of which the sampler's begin at zero with each of its runs. */
export class CostMeter {
  private points: Point[] = [];
  /** CPU of the sampler's runs before this one. */
  private earlierMs = 0;
  private runMs = 0;

  /** @param own the collector's cost, or null where its process does other work besides: then only the sampler counts */
  constructor(
    private readonly now: () => number,
    private readonly own: (() => OwnCost) | null,
  ) {}

  /** A run of the sampler began. What its start costs says nothing about the settings: the count begins with its first window. */
  samplerBegan(): void {
    this.earlierMs += this.runMs;
    this.runMs = 0;
    this.points = [];
  }

  /** Once a window of the sampler. BPF programs run in the time of those that they interrupt, so their time is apart. */
  add({ cpuMs, bpfMs, rssKb }: SamplerStats): void {
    this.runMs = Math.max(this.runMs, cpuMs + (bpfMs ?? 0));
    const own = this.own?.() ?? { cpuMs: 0, rssBytes: 0 };
    const memoryMib = rssKb / 1024 + own.rssBytes / 2 ** 20;
    this.points.push({ at: this.now(), cpuMs: own.cpuMs + this.earlierMs + this.runMs, memoryMib });
    if (this.points.length > MAX_POINTS) this.points = this.points.slice(-MAX_POINTS / 2);
  }

  /** What was spent up to now counts no more: the node works under other settings from here on. */
  begin(): void {
    this.points = this.points.slice(-1);
  }

  /** The cost over the last `ms`; null while less than that was measured. Memory is the mean of the points. */
  over(ms: number): Usage | null {
    const last = this.points.at(-1);
    if (!last) return null;
    const from = this.points.findLastIndex((point) => last.at - point.at >= ms);
    if (from < 0) return null;
    this.points = this.points.slice(from);
    return usageOf(this.points);
  }

  /** As `over`, for as long as was measured, for the eye; zeros at the start. */
  latest(): Usage {
    return usageOf(this.points);
  }
}

function usageOf(points: readonly Point[]): Usage {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return { cpuPercent: 0, memoryMib: 0 };
  const ms = last.at - first.at;
  const measured = points.length > 1 ? points.slice(1) : points;
  const memoryMib = measured.reduce((sum, point) => sum + point.memoryMib, 0) / measured.length;
  return { cpuPercent: ms > 0 ? (100 * (last.cpuMs - first.cpuMs)) / ms : 0, memoryMib };
}
