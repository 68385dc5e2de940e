import type { Logger } from '@perfleet/observability';

/**
 * Without a failure for so long, what is done next says that it works again. Longer than the pauses between attempts, so that
 * partitions that work do not say so for one that fails.
 */
const QUIET_MS = 30_000;

/** Reasons that are told of one outage: some name an offset or a port, and so differ each time. */
const MAX_REASONS = 16;

/** Says once why attempts fail, however often they are made, and once that they work again. Each failure counts in `stats`. */
export class Trouble {
  private readonly reasons = new Set<string>();
  private failures = 0;
  private lastMs = 0;

  constructor(
    private readonly logger: Pick<Logger, 'warn' | 'info'>,
    private readonly instance: string,
    private readonly stats: { errors: number },
    private readonly now: () => number = () => performance.now(),
  ) {}

  failed(error: Error): void {
    this.stats.errors++;
    this.failures++;
    this.lastMs = this.now();
    if (this.reasons.has(error.message) || this.reasons.size >= MAX_REASONS) return;
    this.reasons.add(error.message);
    const { instance } = this;
    this.logger.warn({ instance, error: error.message }, 'addresses were not resolved; they are tried again');
  }

  /** Something was done that may have failed before. */
  worked(): void {
    if (this.failures === 0 || this.now() - this.lastMs < QUIET_MS) return;
    const { instance, failures } = this;
    this.reasons.clear();
    this.failures = 0;
    this.logger.info({ instance, failures }, 'addresses are resolved again');
  }
}
