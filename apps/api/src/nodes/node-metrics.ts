import { DISCOVERY_MODES, GOVERNOR_MOODS, unwantedLosses, type NodeState } from '@perfleet/messages';
import type { NodeEntry } from '@perfleet/node-state';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Shares } from '../alerts/conditions.ts';

const PARTS = ['pod', 'container', 'host', 'nothing', 'lost'] as const;
/** A node that invents reasons makes no more series than this. */
const MAX_REASONS = 32;

/** Series of every node of the registry. Counters are of the node's epoch: they begin anew when its collector does. */
export class NodeMetrics {
  private readonly all: Array<Gauge | Counter> = [];
  private readonly mode: Gauge;
  private readonly fallback: Gauge;
  private readonly mismatch: Gauge;
  private readonly rung: Gauge;
  private readonly wanted: Gauge;
  private readonly alive: Gauge;
  private readonly age: Gauge;
  private readonly epochs: Gauge;
  private readonly rate: Gauge;
  private readonly rateWanted: Gauge;
  private readonly governor: Gauge;
  private readonly configVersion: Gauge;
  private readonly configRefused: Gauge;
  private readonly cpu: Gauge;
  private readonly memory: Gauge;
  private readonly coverage: Gauge;
  private readonly restarts: Counter;
  private readonly taken: Counter;
  private readonly lost: Counter;
  private readonly filtered: Counter;
  private readonly uploads: Counter;
  private readonly uploadBytes: Counter;
  private readonly uploadQueue: Gauge;
  private readonly uploadAway: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    const keep = <M extends Gauge | Counter>(metric: M): M => {
      this.all.push(metric);
      return metric;
    };
    const gauge = (name: string, help: string, ...more: string[]) =>
      keep(new Gauge({ name: `perfleet_node_${name}`, help, labelNames: ['node', ...more], registers }));
    const counter = (name: string, help: string, ...more: string[]) =>
      keep(new Counter({ name: `perfleet_node_${name}`, help, labelNames: ['node', ...more], registers }));
    this.mode = gauge('discovery_mode', '1 for the mode of discovery that the node is in, 0 for the others', 'mode');
    this.fallback = gauge('fallback', '1 when the node cannot see its pods although Kubernetes is evident');
    this.mismatch = gauge(
      'kubelet_mismatch',
      '1 when the kubelet declares settings that the cgroup layout contradicts',
    );
    this.rung = gauge('rung', 'Sampler in use: 1 eBPF, 2 perf events of the system, 3 perf events of the user, 4 none');
    this.wanted = gauge('rung_wanted', 'Best rung that the configuration of the node allows');
    this.alive = gauge('alive', '1 while the heartbeat of the node is in force');
    this.age = gauge('heartbeat_age_seconds', 'Time since the last heartbeat');
    this.epochs = gauge(
      'live_epochs',
      'Collectors whose heartbeats for this node are in force; more than 1 is one too many',
    );
    this.rate = gauge('rate_hz', 'Samples a second and CPU in effect');
    this.rateWanted = gauge('rate_wanted_hz', 'Samples a second and CPU as configured');
    this.governor = gauge(
      'governor',
      '1 for the state of the governor of the cost (off, ok, lowered, exhausted = over budget with nothing left to lower)',
      'state',
    );
    this.configVersion = gauge('config_version', "Version of the fleet's configuration in force on the node");
    this.configRefused = gauge(
      'config_refused',
      '1 when the node does not use the configuration as it is in the store',
    );
    this.cpu = gauge(
      'overhead_cpu_cores',
      'CPU of collector and sampler, BPF programs included, in the last window of the governor',
    );
    this.memory = gauge('overhead_memory_bytes', 'Resident memory of collector and sampler');
    this.coverage = gauge(
      'coverage_ratio',
      'Share of the samples of the last minutes that belong to a pod, a container, the host, nothing, or were lost',
      'part',
    );
    this.restarts = counter('restarts_total', 'Restarts of the sampler after crashes');
    this.taken = counter('samples_taken_total', 'Samples taken in the kernel');
    this.lost = counter('samples_lost_total', 'Samples lost by reason', 'reason');
    this.filtered = counter(
      'samples_filtered_total',
      'Samples left out on purpose: by filters, or because a pod opted out',
    );
    this.uploads = counter(
      'uploads_total',
      'Binaries offered to the symbolizer: sent, had by it already, refused by it, or dropped by the node',
      'result',
    );
    this.uploadBytes = counter('upload_bytes_total', 'Bytes of binaries sent, compressed');
    this.uploadQueue = gauge('upload_queue_bytes', 'Binaries on disk that wait for their upload');
    this.uploadAway = gauge('upload_away', '1 while no symbolizer takes the binaries of the node');
  }

  /** Replaces everything. @param shares null = not known */
  set(entries: readonly NodeEntry[], shares: ReadonlyMap<string, Shares> | null, now: number): void {
    for (const metric of this.all) metric.reset();
    for (const { state, alive, lastSeen, liveEpochs } of entries) {
      const { node } = state;
      for (const mode of DISCOVERY_MODES) this.mode.set({ node, mode }, state.mode === mode ? 1 : 0);
      this.fallback.set({ node }, state.fallback ? 1 : 0);
      this.mismatch.set({ node }, state.kubeletMismatches.length === 0 ? 0 : 1);
      this.rung.set({ node }, state.rung);
      this.wanted.set({ node }, state.rungWanted);
      this.alive.set({ node }, alive ? 1 : 0);
      this.age.set({ node }, Math.max(0, now - lastSeen) / 1000);
      this.epochs.set({ node }, liveEpochs.length);
      this.rate.set({ node }, state.rateHz);
      this.rateWanted.set({ node }, state.rateWanted || state.rateHz);
      for (const mood of GOVERNOR_MOODS) this.governor.set({ node, state: mood }, state.governor === mood ? 1 : 0);
      this.configVersion.set({ node }, state.configVersion);
      this.configRefused.set({ node }, state.configError === '' ? 0 : 1);
      this.cpu.set({ node }, state.cpuPercent / 100);
      this.memory.set({ node }, state.memoryMib * 2 ** 20);
      this.restarts.inc({ node }, count(state.restarts));
      this.taken.inc({ node }, count(state.taken));
      for (const [reason, n] of unwantedLosses(state.lost).slice(0, MAX_REASONS))
        this.lost.inc({ node, reason: reason.slice(0, 64) }, count(n));
      this.filtered.inc({ node }, count(state.lost['filtered'] ?? 0));
      if (state.uploads) this.setUploads(node, state.uploads);
      const parts = shares?.get(node);
      const total = parts ? PARTS.reduce((sum, part) => sum + parts[part], 0) : 0;
      if (parts && total > 0) for (const part of PARTS) this.coverage.set({ node, part }, parts[part] / total);
    }
  }

  private setUploads(node: string, uploads: NonNullable<NodeState['uploads']>): void {
    for (const result of UPLOAD_RESULTS) this.uploads.inc({ node, result }, count(uploads[result]));
    this.uploadBytes.inc({ node }, count(uploads.sentBytes));
    this.uploadQueue.set({ node }, count(uploads.queuedBytes));
    this.uploadAway.set({ node }, uploads.away ? 1 : 0);
  }
}

/** What became of binaries that a node offered. */
const UPLOAD_RESULTS = ['sent', 'had', 'refused', 'dropped'] as const;

/** What a node says of itself is not trusted: one bad number must not end the scrape. */
function count(value: number): number {
  return Number.isFinite(value) ? Math.max(0, value) : 0;
}
