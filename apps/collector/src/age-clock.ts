/** Nobody corrects a clock in steps of less, and no message waits so short. */
const JUMP_MS = 60_000;

/**
 * Wall-clock time for ages: it says when the clock was set since the last look, which no message became older by. A node that boots
 * with 1970 and learns the time later has no message of fifty years.
 */
export class AgeClock {
  private wall: number;
  private steady: number;

  constructor(
    private readonly wallNow: () => number = Date.now,
    private readonly steadyNow: () => number = () => performance.now(),
  ) {
    this.wall = wallNow();
    this.steady = steadyNow();
  }

  /** Unix milliseconds, and by how many of them the clock was set since the last call; 0 = it ran on. */
  now(): { at: number; jumped: number } {
    const at = Math.round(this.wallNow());
    const steady = this.steadyNow();
    const ahead = Math.round(at - this.wall - (steady - this.steady));
    this.wall = at;
    this.steady = steady;
    return { at, jumped: Math.abs(ahead) < JUMP_MS ? 0 : ahead };
  }
}
