import type { Logger } from '@perfleet/observability';
import type { Window } from '@perfleet/sampler';
import type { WindowFilter } from './filtering/window-filter.ts';
import type { ProfileRecords } from './profile-records.ts';
import { withFiltered, type WindowCounts } from './sample-ledger.ts';
import type { SpoolRecord } from './spool.ts';
import type { NamedWindow, WindowNaming } from './window-naming.ts';

export interface WindowQueueOptions {
  readonly naming: Pick<WindowNaming, 'name'>;
  readonly filter: Pick<WindowFilter, 'apply'>;
  readonly records: ProfileRecords;
  readonly logger: Logger;
  /** How long a window lasts, milliseconds. */
  readonly windowMs: () => number;
  readonly publish: (records: readonly SpoolRecord[]) => void;
  /** Its binaries may be wanted; asked before its processes end. */
  readonly offer: (window: Window) => void;
}

/** A held window waits so much longer than a window lasts, when no other one comes. */
const HOLD_EXTRA_MS = 1000;
/** It waits so long at least: the first windows after a start are shorter than names of what ran before take to come. */
const HOLD_LEAST_MS = 1000;
/** What waits for names at most. */
const MAX_PENDING = 12;

interface Held {
  readonly window: Window;
  readonly counts: WindowCounts;
  /** Of `performance.now()`. */
  readonly since: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Windows on their way from the sampler to the spool: named, filtered and published one after another, in the order they came.
 * One whose names are not all known is held until the next one comes, once: pods and their names appear a moment late.
 */
export class WindowQueue {
  private work: Promise<void> = Promise.resolve();
  private pending = 0;
  private held: Held | null = null;
  private ending = false;
  private endWait: () => void = () => undefined;

  constructor(private readonly options: WindowQueueOptions) {}

  /** Samples of the window that is held. */
  get heldTaken(): number {
    return this.held?.counts.taken ?? 0;
  }

  add(window: Window, counts: WindowCounts): void {
    // Naming is slower than sampling only when the node is on its knees: then memory stays bounded and the loss is counted.
    if (this.pending >= MAX_PENDING)
      return this.addLosses({ ...counts.lost, throttled: (counts.lost['throttled'] ?? 0) + counts.samples });
    this.enqueue(() => this.handle(window, counts));
  }

  /** Losses that no window tells, in their turn. */
  addLosses(lost: Record<string, number>): void {
    this.enqueue(() => this.options.publish(this.options.records.ofCounts(lost)));
  }

  /** Windows that come from here on are not held. */
  holdNoMore(): void {
    this.ending = true;
    this.endWait();
  }

  /** Resolves when everything that was added is published, what is held too. */
  end(): Promise<void> {
    this.holdNoMore();
    this.enqueue(() => this.releaseHeld());
    return this.work;
  }

  private enqueue(work: () => void | Promise<void>): void {
    this.pending++;
    this.work = this.work
      .then(work)
      .catch((error: unknown) => this.options.logger.error({ error: String(error) }, 'a window could not be published'))
      .finally(() => this.pending--);
  }

  private async handle(window: Window, counts: WindowCounts): Promise<void> {
    await this.heldLongEnough();
    await this.releaseHeld();
    const { naming, filter, offer, windowMs } = this.options;
    const named = await naming.name(window);
    if (!named.wait || window.last || this.ending) return this.publish(window, counts, named);
    // Before its processes end; what may turn out to be excluded is not offered.
    offer(filter.apply(window, named.subject, true).window);
    const timer = setTimeout(() => this.enqueue(() => this.releaseHeld()), windowMs() + HOLD_EXTRA_MS);
    timer.unref();
    this.held = { window, counts, since: performance.now(), timer };
  }

  private async heldLongEnough(): Promise<void> {
    const left = this.held ? this.held.since + HOLD_LEAST_MS - performance.now() : 0;
    if (left <= 0 || this.ending) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.endWait = resolve;
    const timer = setTimeout(resolve, left);
    await promise;
    clearTimeout(timer);
  }

  private async releaseHeld(): Promise<void> {
    if (!this.held) return;
    const { window, counts, timer } = this.held;
    this.held = null;
    clearTimeout(timer);
    this.publish(window, counts, await this.options.naming.name(window));
  }

  private publish(whole: Window, counts: WindowCounts, { labelsOf, subject }: NamedWindow): void {
    const { filter, records, offer, publish } = this.options;
    const { window, filtered } = filter.apply(whole, subject, false);
    offer(window);
    const made = records.ofWindow(window, withFiltered(counts, filtered), labelsOf);
    if (made.length > 0) publish(made);
  }
}
