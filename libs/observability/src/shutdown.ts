import type { Logger } from './logger.ts';

export interface Stoppable {
  readonly name: string;
  stop(): Promise<void>;
}

/**
 * The one shutdown sequence: parts stop in the reverse of the order they were added, each within its own deadline,
 * so that one that hangs delays the rest by `partMs` at most and is named.
 */
export class Shutdown {
  private readonly parts: Stoppable[] = [];
  private running: Promise<void> | null = null;

  constructor(
    private readonly logger: Logger,
    private readonly partMs = 2_500,
  ) {}

  add(name: string, stop: () => Promise<void>): void {
    this.parts.push({ name, stop });
  }

  /** Idempotent: a second call waits for the first. */
  stop(): Promise<void> {
    return (this.running ??= this.stopAll());
  }

  private async stopAll(): Promise<void> {
    for (const part of this.parts.reverse()) {
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`did not stop within ${this.partMs} ms`)), this.partMs);
      });
      try {
        await Promise.race([part.stop(), deadline]);
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
