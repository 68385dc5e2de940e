import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeEvent, NodeState } from '@perfleet/messages';
import {
  samplerBinaryPath,
  superviseSampler,
  type SamplerStats,
  type Supervisor,
  type Window,
} from '@perfleet/sampler';
import type { CollectorDeps } from './collector-deps.ts';
import type { CollectorStats } from './collector-stats.ts';
import { NodeControl } from './control/node-control.ts';
import { LiveDiscovery, type NodeDiscovery } from './discovery/node-discovery.ts';
import { logDoctorSummary } from './doctor-summary.ts';
import { settingsOf } from './early-sampler.ts';
import { eventRecord } from './events.ts';
import { WindowFilter } from './filtering/window-filter.ts';
import { NodeReporter } from './node-reporter.ts';
import { ownState } from './own-state.ts';
import { ProfileRecords } from './profile-records.ts';
import { Publisher, within } from './publisher.ts';
import { RunMarker } from './run-marker.ts';
import { SampleLedger } from './sample-ledger.ts';
import { Spool, type SpoolRecord } from './spool.ts';
import { Uploader } from './uploads/uploader.ts';
import { WindowNaming } from './window-naming.ts';
import { WindowQueue } from './window-queue.ts';

const SPOOL_BYTES = 256 << 20;
/** Where no window comes the machine is checked all the same. */
const CHECK_MACHINE_MS = 5000;
/** The parts of `stop`, milliseconds from its begin; the whole stays under the deadline of the shutdown sequence. */
const STOP_SAMPLER_MS = 1200;
const STOP_PUBLISH_MS = 1700;
const STOP_PARTS_MS = 200;

/** The agent of one node: sampler, discovery, spool, publisher and node state, composed. */
export class Collector {
  private readonly epoch = randomBytes(8).toString('hex');
  private readonly startedAt = Date.now();
  private readonly ledger = new SampleLedger();
  private readonly marker: RunMarker;
  private readonly records: ProfileRecords;
  private readonly discovery: NodeDiscovery;
  private readonly naming: WindowNaming;
  private readonly filter: WindowFilter;
  private readonly windows: WindowQueue;
  private readonly supervisor: Supervisor;
  private readonly reporter: NodeReporter;
  private readonly control: NodeControl;
  private spool: Spool | null = null;
  private publisher: Publisher | null = null;
  private uploader: Uploader | null = null;
  private samplerStats: SamplerStats | null = null;
  private stopping: Promise<void> | null = null;

  constructor(private readonly deps: CollectorDeps) {
    const { logger, kubernetes, dataDir } = deps;
    this.marker = new RunMarker(dataDir);
    this.records = new ProfileRecords(deps.topicPrefix, this.epoch);
    this.discovery = deps.discovery ?? new LiveDiscovery({ kubernetes, logger });
    this.naming = new WindowNaming(deps, this.discovery, deps.podNames);
    this.filter = new WindowFilter({
      filters: () => this.control.settings.filters,
      discovery: this.discovery,
      podName: (placement) => this.naming.podName(placement),
      annotationsExpected: () => this.naming.annotationsExpected,
      exclude: (change) => this.supervisor.exclude(change),
    });
    this.windows = new WindowQueue({
      ...{ naming: this.naming, filter: this.filter, records: this.records, logger },
      windowMs: () => this.control.windowMs,
      publish: (records) => this.publish(records),
      offer: (window) => this.uploader?.offer(window),
    });
    this.reporter = new NodeReporter({ store: deps.nodeState, state: () => this.state(), logger });
    const { nodeState, sharedProcess, configPollMs: pollMs } = deps;
    this.control = new NodeControl({
      ...{ store: nodeState.config, ...settingsOf(deps), dataDir, sharedProcess, logger, pollMs },
      apply: (settings) => this.supervisor.configure(settings),
      event: (kind, message) => this.event(kind, message),
    });
    const binary = samplerBinaryPath(deps.samplerBinary);
    const { startedSampler: started, samplerArgs: args } = deps;
    this.supervisor = superviseSampler({ binary, args, ...this.control.sampler, stopMs: STOP_SAMPLER_MS, started });
  }

  /** Resolves when the sampler was started; whether it runs is state. @throws when the data directory is not writable */
  async start(): Promise<void> {
    const { dataDir, stream, node, logger } = this.deps;
    mkdirSync(dataDir, { recursive: true });
    const previous = this.marker.previous();
    this.spool = Spool.open(join(dataDir, 'spool.db'), {
      bytes: this.deps.spoolBytes ?? SPOOL_BYTES,
      ageMs: this.deps.spoolAgeMs,
    });
    if (this.spool.openedWith) logger.error(this.spool.openedWith);
    if (previous && this.spool.hasEpoch(previous.epoch)) this.spool.append(this.records.ofUncleanEnd(previous));
    this.spool.beginEpoch(this.epoch, this.startedAt);
    this.mark(0, 0);
    this.publisher = new Publisher({ stream, spool: this.spool, node, logger });
    this.publisher.start();
    this.startUploads();
    void this.deps.podNames?.start();
    await this.discovery.start((state, before) => {
      const fallback = state.fallback ? ' (fallback)' : '';
      const message = `mode ${before.mode} -> ${state.mode}${fallback}: ${state.reason}`;
      if (state.fallback) logger.warn(message);
      else logger.info(message);
      this.event('mode-changed', message);
    });
    const { mode, fallback, reason } = this.discovery.state;
    if (fallback) logger.warn({ mode, reason }, 'discovery fell back');
    else logger.info({ mode, reason }, 'discovery');
    if (previous) {
      const message = `the run ${previous.epoch} before this one ended without saying so`;
      logger.warn(message);
      this.event('unclean-exit', message);
    }
    // What the disk has is in force at once, and stands in the event.
    const configured = this.control.start();
    this.event('started', `mode ${mode}: ${reason}`);
    await configured;
    this.listen();
    this.supervisor.start();
    this.reporter.start();
    this.checkMachine();
  }

  /** Idempotent; under 2.2 s. What could not be sent stays on disk for the next run. */
  stop(): Promise<void> {
    return (this.stopping ??= this.stopAll());
  }

  stats(): CollectorStats {
    return {
      epoch: this.epoch,
      state: this.state(),
      spooledBytes: this.spool?.isOpen ? this.spool.pendingBytes : 0,
      streamAway: this.publisher?.away ?? false,
      messagesSent: this.publisher?.sent ?? 0,
      sampler: this.samplerStats,
      uploads: this.uploader?.stats() ?? null,
    };
  }

  private async stopAll(): Promise<void> {
    const { spool, publisher } = this;
    if (!spool || !publisher) return this.supervisor.stop();
    const begin = performance.now();
    const left = () => Math.max(0, STOP_PUBLISH_MS - (performance.now() - begin));
    this.control.stop();
    this.windows.holdNoMore();
    const uploadsEnded = this.uploader?.stop();
    await this.supervisor.stop();
    await within(left(), this.windows.end());
    this.discovery.stop();
    this.deps.podNames?.stop();
    const events = [eventRecord(this.source(), 'stopped', 'stopped on request', this.state())];
    // Counts that the disk refused are said by a last message without samples.
    const carried = Object.keys(spool.carried).length > 0 ? this.records.ofCounts({}) : [];
    publisher.publish([...carried, ...events]);
    await publisher.drain(left());
    const leaving = within(STOP_PARTS_MS, this.reporter.leave());
    await publisher.stop(STOP_PARTS_MS);
    await leaving;
    if (uploadsEnded) await within(STOP_PARTS_MS, uploadsEnded);
    spool.close();
    this.marker.clear();
  }

  /** Once the first window is there, which it would delay: what can run here is found out by a sampler of its own. */
  private checkMachine(): void {
    const { doctor = {}, dataDir, logger } = this.deps;
    if (doctor === false) return;
    const samplerBinary = samplerBinaryPath(this.deps.samplerBinary);
    const check = () => {
      clearTimeout(timer);
      this.supervisor.off('window', check);
      if (!this.stopping) void logDoctorSummary({ samplerBinary, dataDir, ...doctor }, logger);
    };
    const timer = setTimeout(check, CHECK_MACHINE_MS);
    timer.unref();
    this.supervisor.once('window', check);
  }

  /** A disk that takes no binaries costs their names only. */
  private startUploads(): void {
    const { uploads, dataDir, logger } = this.deps;
    if (!uploads) return;
    try {
      this.uploader = new Uploader({ ...uploads, dataDir, logger });
      this.uploader.start();
    } catch (error) {
      logger.error({ error: String(error) }, 'binaries are not uploaded');
    }
  }

  private listen(): void {
    const { logger } = this.deps;
    this.supervisor.on('hello', (hello) => {
      this.ledger.begin();
      this.filter.samplerBegan();
      this.control.onHello(hello);
      const { rung, event, eventReason, rateHz, reason } = hello;
      if (rung < 4) logger.info({ rung, event, eventReason, rateHz, reason }, 'sampler runs');
      this.reporter.report();
    });
    this.supervisor.on('window', (window) => this.onWindow(window));
    this.supervisor.on('stats', (stats) => {
      this.samplerStats = stats;
      this.control.onStats(stats);
    });
    this.supervisor.on('log', ({ level, message }) => logger[level](`sampler: ${message}`));
    this.supervisor.on('crash', ({ message }) => {
      logger.error(message);
      const counts = this.ledger.crashed();
      if (counts) this.windows.addLosses(counts.lost);
      this.event('sampler-crashed', message);
    });
    this.supervisor.on('rung', ({ from, to, reason }) => {
      logger.warn({ from, to, reason }, to === 4 ? 'no sampling' : 'sampler rung changed');
      this.event('rung-changed', `rung ${from} -> ${to}: ${reason}`);
    });
  }

  private onWindow(window: Window): void {
    const counts = this.ledger.add(window);
    // What a held window has is lost too when this run is killed.
    this.mark(Date.now(), counts.taken + this.windows.heldTaken);
    this.windows.add(window, counts);
  }

  private publish(records: readonly SpoolRecord[]): void {
    if (this.publisher?.publish(records) === false) {
      this.deps.logger.error('the spool did not take a message (disk full?); its samples are counted as spool-full');
    }
  }

  private mark(lastWindowAt: number, lastWindowTaken: number): void {
    this.marker.write({ epoch: this.epoch, startedAt: this.startedAt, lastWindowAt, lastWindowTaken });
  }

  private source() {
    const { node, cluster, topicPrefix } = this.deps;
    return { node, cluster, topicPrefix, epoch: this.epoch };
  }

  private event(kind: NodeEvent['kind'], message: string): void {
    if (this.stopping) return;
    this.publish([eventRecord(this.source(), kind, message, this.state())]);
    this.reporter.report();
  }

  private state(): NodeState {
    return ownState(this.deps, {
      ...{ epoch: this.epoch, startedAt: this.startedAt, discovery: this.discovery.state },
      ...{ sampler: this.supervisor.state, control: this.control.state() },
      counts: this.spool?.isOpen ? this.spool.counts(this.epoch) : null,
      uploads: this.uploader?.stats() ?? null,
    });
  }
}
