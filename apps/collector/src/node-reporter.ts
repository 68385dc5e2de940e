import type { NodeState } from '@perfleet/messages';
import type { NodeStateStore } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';

export interface NodeReporterOptions {
  readonly store: NodeStateStore;
  readonly state: () => NodeState;
  readonly logger: Logger;
  /** Between two reports without a change, milliseconds. */
  readonly everyMs?: number;
}

/** A heartbeat outlives this many missed reports. */
const MISSED = 3;

/** Keeps the registry's entry and heartbeat of this node current. The store being away changes nothing else. */
export class NodeReporter {
  private timer: NodeJS.Timeout | null = null;
  private reporting: Promise<void> | null = null;
  private again = false;
  private away = false;
  private stopped = false;

  constructor(private readonly options: NodeReporterOptions) {}

  start(): void {
    this.timer = setInterval(() => this.report(), this.everyMs);
    this.timer.unref();
    this.report();
  }

  /** Reports soon; calls during a report make one more after it. */
  report(): void {
    if (this.stopped) return;
    if (this.reporting) {
      this.again = true;
      return;
    }
    this.reporting = this.send().finally(() => {
      this.reporting = null;
      if (this.again) {
        this.again = false;
        this.report();
      }
    });
  }

  /** Takes the node out of the registry: it leaves on purpose. */
  async leave(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearInterval(this.timer);
    await this.reporting;
    await this.options.store.deregister(this.options.state().node);
  }

  private get everyMs(): number {
    return this.options.everyMs ?? 10_000;
  }

  private async send(): Promise<void> {
    const { store, state, logger } = this.options;
    try {
      const now = state();
      await store.put(now);
      await store.heartbeat(now.node, now.epoch, this.everyMs * MISSED);
      if (this.away) logger.info('the node state store is back');
      this.away = false;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!this.away) logger.warn({ error: message }, 'the node state store is away; profiling goes on');
      this.away = true;
    }
  }
}
