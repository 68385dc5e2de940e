import type { Window } from '@perfleet/sampler';

/** What one window adds to the epoch: taken = samples + sum of lost. */
export interface WindowCounts {
  readonly taken: number;
  readonly samples: number;
  readonly lost: Record<string, number>;
}

/** So many samples of the window were left out on purpose after they had been taken. */
export function withFiltered(counts: WindowCounts, filtered: number): WindowCounts {
  if (filtered === 0) return counts;
  const lost = { ...counts.lost, filtered: (counts.lost['filtered'] ?? 0) + filtered };
  return { ...counts, samples: counts.samples - filtered, lost };
}

/**
 * Turns a sampler run's cumulative counts into what each window adds. A sampler that restarts begins at zero again;
 * what it had taken since its last window is estimated, because nobody is left to say.
 */
export class SampleLedger {
  private taken = 0;
  private lost: Record<string, number> = {};
  private lastTaken = 0;
  private lastLength = 0;
  private lastAt = 0;
  private running = false;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** The sampler said hello: its counts start at zero. */
  begin(): void {
    this.taken = 0;
    this.lost = {};
    this.running = true;
    this.lastAt = this.now();
  }

  add(window: Window): WindowCounts {
    let counted = 0;
    for (const count of window.samples.count) counted += count;
    // Stacks of blocked time are one sample each in messages, however many blocks were seen there.
    const samples = counted + window.offCpu.count.length;
    let delivered = counted;
    for (const count of window.offCpu.count) delivered += count;
    const lost: Record<string, number> = {};
    let sumLost = 0;
    for (const [reason, total] of Object.entries(window.lost)) {
      const more = Math.max(0, total - (this.lost[reason] ?? 0));
      if (more > 0) lost[reason] = more;
      sumLost += more;
    }
    // Taken in the kernel, and neither in the window nor counted as lost by the sampler.
    const missing = window.taken - this.taken - delivered - sumLost;
    if (missing > 0) lost['undecodable'] = (lost['undecodable'] ?? 0) + missing;
    const taken = samples + sumLost + Math.max(0, missing);
    this.lost = { ...this.lost, ...window.lost };
    this.taken = Math.max(this.taken, window.taken);
    this.lastTaken = taken;
    this.lastLength = Number(window.end - window.start) / 1e6;
    this.lastAt = this.now();
    return { taken, samples, lost };
  }

  /** Counts for a sampler that crashed: the rate of its last window, for the time since, at most one window's worth. */
  crashed(): WindowCounts | null {
    if (!this.running) return null;
    this.running = false;
    const share = this.lastLength > 0 ? Math.min(1, (this.now() - this.lastAt) / this.lastLength) : 0;
    const estimate = Math.round(this.lastTaken * share);
    return estimate > 0 ? { taken: estimate, samples: 0, lost: { 'unclean-exit': estimate } } : null;
  }
}
