/** Tells waiting consumers that something was written. A wait that began before the write never misses it. */
export class Wakeup {
  private waiting = Promise.withResolvers<void>();

  notify(): void {
    this.waiting.resolve();
    this.waiting = Promise.withResolvers<void>();
  }

  /** Take this before looking for work, wait on it after none was found. */
  next(): { within(ms: number, stop: AbortSignal): Promise<boolean> } {
    const { promise } = this.waiting;
    return { within: (ms, stop) => race(promise, ms, stop) };
  }

  async pause(ms: number, stop: AbortSignal): Promise<void> {
    await race(new Promise<void>(() => undefined), ms, stop);
  }
}

/** True when `promise` came first, false after `ms` or a stop. */
function race(promise: Promise<void>, ms: number, stop: AbortSignal): Promise<boolean> {
  if (stop.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (woken: boolean) => {
      clearTimeout(timer);
      stop.removeEventListener('abort', onStop);
      resolve(woken);
    };
    const onStop = () => end(false);
    // The moment may have passed since the caller computed it; Node warns of negative times.
    const timer = Number.isFinite(ms) ? setTimeout(() => end(false), Math.max(0, ms)) : undefined;
    stop.addEventListener('abort', onStop);
    void promise.then(() => end(true));
  });
}
