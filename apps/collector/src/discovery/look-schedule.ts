export interface LookScheduleOptions {
  /** Between two looks, milliseconds. */
  readonly everyMs: number;
  /** Least time between the end of one look and one that something new causes, milliseconds. */
  readonly minMs: number;
  /** Must not reject. */
  readonly look: () => Promise<void>;
}

/**
 * Times its length, that a look waits at least for the next one by the timer: so looks cost a quarter of a hundredth of a core.
 * A node whose looks are long has its changes from the watch; the bound is for a look that was long because it had to wait.
 */
const TIMER_SHARE = 400;
const TIMER_AT_MOST_MS = 300_000;
/** The same for looks that something new causes, which are awaited: so bounded, milliseconds. */
const SOON_SHARE = 20;
const SOON_AT_MOST_MS = 5000;

/** When the node is looked at: by a timer, and soon after something new; never so often that looking is a load. */
export class LookSchedule {
  private timer: NodeJS.Timeout | null = null;
  private due = Infinity;
  private endedAt = -Infinity;
  private lengthMs = 0;
  private looking: Promise<void> | null = null;
  private again = false;
  running = false;

  constructor(private readonly options: LookScheduleOptions) {}

  start(): void {
    this.running = true;
  }

  stop(): void {
    this.running = false;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }

  now(): Promise<void> {
    return (this.looking ??= this.run());
  }

  /** Something new was seen; calls before the look that it causes add nothing. */
  soon(): void {
    if (this.looking) this.again = true;
    else this.at(this.soonest());
  }

  private soonest(): number {
    return this.endedAt + Math.max(this.options.minMs, Math.min(this.lengthMs * SOON_SHARE, SOON_AT_MOST_MS));
  }

  private async run(): Promise<void> {
    const begin = performance.now();
    this.again = false;
    this.due = Infinity;
    if (this.timer) clearTimeout(this.timer);
    try {
      await this.options.look();
    } finally {
      this.endedAt = performance.now();
      this.lengthMs = this.endedAt - begin;
      this.looking = null;
      const rest = Math.min(this.lengthMs * TIMER_SHARE, TIMER_AT_MOST_MS);
      this.at(this.endedAt + Math.max(this.options.everyMs, rest));
      if (this.again) this.at(this.soonest());
    }
  }

  private at(time: number): void {
    if (!this.running || time >= this.due) return;
    this.due = time;
    if (this.timer) clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.now(), Math.max(0, time - performance.now()));
    this.timer.unref();
  }
}
