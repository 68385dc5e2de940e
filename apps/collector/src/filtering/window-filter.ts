import { compileFilters, type CompiledFilters, type Filters, type Verdict } from '@perfleet/fleet-config';
import type { PodName } from '@perfleet/pods';
import type { ExclusionChange, Window } from '@perfleet/sampler';
import type { NodeDiscovery } from '../discovery/node-discovery.ts';
import { processText, type Placement } from '../resource-labels.ts';
import { CgroupExclusions } from './cgroup-exclusions.ts';
import { cgroupsOf, filterTarget, type Cgroups, type Subject } from './filter-target.ts';
import { thinned } from './thinned.ts';
import { withoutProcesses, type KeptWindow } from './without-processes.ts';

export interface WindowFilterOptions {
  /** In force now. */
  readonly filters: () => Filters;
  readonly discovery: Pick<NodeDiscovery, 'cgroupPath' | 'state'>;
  readonly podName: (placement: Placement) => PodName | undefined;
  /** A source that reads annotations has answered: what it does not know of a pod yet it will know soon. */
  readonly annotationsExpected: () => boolean;
  /** Tells the sampler. */
  readonly exclude: (change: ExclusionChange) => void;
  readonly now?: () => number;
}

const NOT_ASKED: Cgroups = { paths: [], more: true };

/** Takes out of windows whatever the fleet's filters and the pods' own annotations exclude. */
export class WindowFilter {
  private source: Filters | null = null;
  private text = '';
  private compiled: CompiledFilters = compileFilters({ rules: [], otherwise: 'include' });
  private readonly exclusions: CgroupExclusions;

  constructor(private readonly options: WindowFilterOptions) {
    const { discovery, podName, exclude, now } = options;
    this.exclusions = new CgroupExclusions({ discovery, podName, send: exclude, now });
  }

  /** A sampler began: it excludes nothing. */
  samplerBegan(): void {
    this.exclusions.reset();
  }

  /**
   * @param waits the window is looked at again when more is known: until then, what cannot be decided is left out
   */
  apply(window: Window, subject: (process: number) => Subject, waits: boolean): KeptWindow {
    const filters = this.current();
    const kept = Uint16Array.from(window.processes.pid, (_, i) => this.keptOf(window, i, subject(i), waits));
    if (!waits) {
      this.exclusions.learn(window, kept, filters);
      this.exclusions.review(filters);
    }
    const excluded = Uint8Array.from(kept, (oneIn) => (oneIn === 0 ? 1 : 0));
    const left = withoutProcesses(window, excluded);
    if (waits || !filters.thins) return left;
    const { window: some, filtered } = thinned(left.window, kept);
    return { window: some, filtered: left.filtered + filtered };
  }

  /** One in so many samples of the process is kept; 0 = none. */
  private keptOf(window: Window, index: number, subject: Subject, waits: boolean): number {
    const filters = this.compiled;
    const cgroups = filters.asksCgroups ? cgroupsOf(window, index, this.options.discovery) : NOT_ASKED;
    const target = filterTarget(subject, processText(window, index).comm, cgroups);
    const verdict = filters.decide(target);
    const decided = verdict === 'include' || verdict === 'exclude';
    if (decided ? verdict === 'exclude' : this.leftOpen(verdict, subject, waits)) return 0;
    return filters.oneIn(target);
  }

  /** What is documented in docs/configuration.md for a process of which not enough is known. */
  private leftOpen(verdict: Verdict, { placement, names }: Subject, waits: boolean): boolean {
    if (waits) {
      // A process of no known pod has nobody who could have opted out for it; nor could anybody be asked.
      const ofPod = placement.podUid !== null || names !== undefined;
      return verdict === 'unknown' || (ofPod && this.options.annotationsExpected());
    }
    const { unknown } = this.options.filters();
    // An API server that is away must not end the profiling of every new pod.
    return unknown === undefined ? verdict === 'unknown' : unknown === 'exclude';
  }

  /** Compiled once for each configuration. */
  private current(): CompiledFilters {
    const source = this.options.filters();
    if (source === this.source) return this.compiled;
    const text = JSON.stringify(source);
    const changed = this.source !== null && text !== this.text;
    this.source = source;
    this.text = text;
    this.compiled = compileFilters(source);
    if (changed) this.exclusions.reset();
    return this.compiled;
  }
}
