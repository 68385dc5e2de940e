import { ApiError } from '../http/api-error.ts';

export interface QueueLimits {
  /** Pieces of work at a time, of all callers. */
  readonly running: number;
  /** Of one caller; the next one waits. */
  readonly runningOfCaller: number;
  /** Of one caller; the next one is refused. */
  readonly waitingOfCaller: number;
  /** For so long a caller waits for work that was begun. */
  readonly patienceMs: number;
}

interface Line {
  running: number;
  readonly waiting: (() => void)[];
}

/** Lets callers work side by side: each has its own line, and the lines take turns. Memory is bounded by what waits. */
export class CallerQueue {
  /** In the order of their turns: who was let in last stands at the end. */
  private readonly lines = new Map<string, Line>();
  private running = 0;

  constructor(private readonly limits: QueueLimits) {}

  /**
   * Runs `work` when it is the caller's turn. Whoever goes away is let go at once, but its place is free only when `work` is over: what
   * cannot be stopped keeps its caller from starting more.
   * @throws ApiError 429 when the caller has too much waiting, 499 when `signal` ends, 400 when the work takes too long
   */
  async run<T>(caller: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.turn(caller, signal);
    const working = work().finally(() => this.leave(caller));
    return new Promise((resolve, reject) => {
      const gone = () => reject(aborted());
      if (signal?.aborted) gone();
      signal?.addEventListener('abort', gone, { once: true });
      const timer = setTimeout(() => reject(tooLong()), this.limits.patienceMs);
      void working.then(resolve, reject).finally(() => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', gone);
      });
    });
  }

  private turn(caller: string, signal?: AbortSignal): Promise<void> {
    const line = this.lines.get(caller) ?? { running: 0, waiting: [] };
    const { waitingOfCaller } = this.limits;
    if (line.waiting.length >= waitingOfCaller) {
      const held = `${line.running} queries that run and ${line.waiting.length} that wait`;
      return Promise.reject(new ApiError(429, 'rate-limit', `${caller} has ${held}; wait for their answers`));
    }
    this.lines.set(caller, line);
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal?.removeEventListener('abort', gone);
        resolve();
      };
      const gone = () => {
        line.waiting.splice(line.waiting.indexOf(enter), 1);
        this.forget(caller, line);
        reject(aborted());
      };
      line.waiting.push(enter);
      if (signal?.aborted) return gone();
      signal?.addEventListener('abort', gone, { once: true });
      this.admit();
    });
  }

  private leave(caller: string): void {
    const line = this.lines.get(caller)!;
    line.running--;
    this.running--;
    this.forget(caller, line);
    this.admit();
  }

  private admit(): void {
    while (this.running < this.limits.running) {
      const [caller, line] = this.next() ?? [];
      if (caller === undefined || line === undefined) return;
      this.lines.delete(caller);
      this.lines.set(caller, line);
      line.running++;
      this.running++;
      line.waiting.shift()!();
    }
  }

  /** Whoever has the least running, and of these who was let in longest ago. */
  private next(): [string, Line] | undefined {
    const { runningOfCaller } = this.limits;
    const able = [...this.lines].filter(([, line]) => line.waiting.length > 0 && line.running < runningOfCaller);
    return able.reduce<[string, Line] | undefined>(
      (best, next) => (best === undefined || next[1].running < best[1].running ? next : best),
      undefined,
    );
  }

  private forget(caller: string, line: Line): void {
    if (line.running === 0 && line.waiting.length === 0) this.lines.delete(caller);
  }
}

const aborted = () => new ApiError(499, 'aborted', 'the client went away');

const tooLong = () =>
  new ApiError(
    400,
    'limit',
    'the query was stopped: it took too long, and counts as running until the engine lets go of it',
  );
