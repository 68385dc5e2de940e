/** Time as the supervisor sees it, so that an hour of peace can be tested in a moment. */
export interface Clock {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Never keeps the process alive. @returns what takes it back */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
