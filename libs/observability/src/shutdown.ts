import type { Logger } from './logger.ts';

export interface Stoppable {
  readonly name: string;
  stop(): Promise<void>;
}

/** Kept for each part that is still to stop, milliseconds: the embedded store, the last one, must not be left open. */
const LEAST_MS = 150;

/**
 * The one shutdown sequence: parts stop in the reverse of the order they were added, all together within `totalMs`, so
 * that one that hangs (it is named) takes time from the rest and still leaves each its turn.
 */
export class Shutdown {
  private readonly parts: Stoppable[] = [];
  private readonly late: string[] = [];
  private running: Promise<void> | null = null;

  constructor(
    private readonly logger: Logger,
    private readonly totalMs = 2_400,
  ) {}

  add(name: string, stop: () => Promise<void>): void {
    this.parts.push({ name, stop });
  }

  /** Whether it has begun. */
  get stopping(): boolean {
    return this.running !== null;
  }

  /** Parts that did not stop in time: they may still be at work. */
  get hanging(): readonly string[] {
    return this.late;
  }

  /** Idempotent: a second call waits for the first. */
  stop(): Promise<void> {
    return (this.running ??= this.stopAll());
  }

  private async stopAll(): Promise<void> {
    const end = performance.now() + this.totalMs;
    for (const [i, part] of this.parts.reverse().entries()) {
      const kept = LEAST_MS * (this.parts.length - 1 - i);
      const ms = Math.max(LEAST_MS, Math.round(end - performance.now() - kept));
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          this.late.push(part.name);
          reject(new Error(`did not stop within ${ms} ms`));
        }, ms);
      });
      const began = performance.now();
      try {
        await Promise.race([part.stop(), deadline]);
        this.logger.debug({ part: part.name, ms: Math.round(performance.now() - began) }, 'stopped');
      } catch (error) {
        this.logger.error(
          { part: part.name, error: error instanceof Error ? error.message : String(error) },
          'stop failed',
        );
      } finally {
        clearTimeout(timer);
      }
    }
  }

  /** SIGINT and SIGTERM stop everything once; a second signal ends the process at once. Resolves when all is stopped. */
  untilSignal(): Promise<void> {
    return new Promise((resolve) => {
      const onSignal = (signal: NodeJS.Signals) => {
        if (this.running) process.exit(130);
        this.logger.info({ signal }, 'stopping');
        void this.stop().then(resolve);
      };
      process.on('SIGINT', onSignal);
      process.on('SIGTERM', onSignal);
    });
  }
}
