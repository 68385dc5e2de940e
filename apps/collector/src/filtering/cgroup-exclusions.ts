import { attributeProcess } from '@perfleet/cgroup';
import type { CompiledFilters } from '@perfleet/fleet-config';
import type { PodName } from '@perfleet/pods';
import type { ExclusionChange, ThinnedCgroup, Window } from '@perfleet/sampler';
import type { NodeDiscovery } from '../discovery/node-discovery.ts';
import type { Placement } from '../resource-labels.ts';
import { filterTarget } from './filter-target.ts';

export interface CgroupExclusionOptions {
  readonly discovery: Pick<NodeDiscovery, 'cgroupPath' | 'state'>;
  readonly podName: (placement: Placement) => PodName | undefined;
  /** Tells the sampler. */
  readonly send: (change: ExclusionChange) => void;
  readonly now?: () => number;
}

interface Excluded extends ThinnedCgroup {
  /** `v2` or the controller, for discovery. */
  readonly hierarchyKey: string;
  readonly path: string;
  /** Samples carry no other cgroup: what this one does not say, none does. */
  readonly alone: boolean;
}

/** As many as the sampler's map has room for; samples of more are left out here. */
const MAX_EXCLUDED = 4096;
/** Labels and annotations of pods change now and then. */
const REVIEW_MS = 10_000;

/**
 * The cgroups of which every process is excluded, or has one sample in so many kept, whatever its name: the sampler drops their
 * samples before it walks a stack.
 * They are learnt from samples that were left out here, so a kernel that drops none is only dearer, never wrong.
 */
export class CgroupExclusions {
  private readonly told = new Map<string, Excluded>();
  private reviewedAt = -Infinity;
  private readonly now: () => number;

  constructor(private readonly options: CgroupExclusionOptions) {
    this.now = options.now ?? (() => performance.now());
  }

  /** Other filters, or a sampler that has just begun: all are sampled again, and learnt anew. */
  reset(): void {
    this.told.clear();
    this.options.send({ clear: true, add: [], remove: [] });
  }

  /** @param kept by index of the process: one in so many samples was kept, 0 = none */
  learn(window: Window, kept: Uint16Array, filters: CompiledFilters): void {
    const add: Excluded[] = [];
    for (let i = 0; i < kept.length; i++) {
      if (kept[i] === 1) continue;
      for (const cgroup of this.cgroupsOf(window, i)) {
        const key = `${cgroup.hierarchyKey}:${cgroup.id}`;
        if (this.told.has(key) || this.told.size >= MAX_EXCLUDED) continue;
        const oneIn = this.keptOf(cgroup, filters);
        if (oneIn === 1) continue;
        this.told.set(key, { ...cgroup, oneIn });
        add.push({ ...cgroup, oneIn });
      }
    }
    if (add.length > 0) this.send(add, []);
  }

  /** Takes back what is not excluded any more, or gone: none of its samples comes that would say so. */
  review(filters: CompiledFilters): void {
    const now = this.now();
    if (now - this.reviewedAt < REVIEW_MS) return;
    this.reviewedAt = now;
    const remove = [...this.told].filter(([, cgroup]) => {
      const path = this.options.discovery.cgroupPath(cgroup.hierarchyKey, cgroup.id);
      return path !== cgroup.path || this.keptOf(cgroup, filters) !== cgroup.oneIn;
    });
    for (const [key] of remove) this.told.delete(key);
    if (remove.length > 0)
      this.send(
        [],
        remove.map(([, cgroup]) => cgroup),
      );
  }

  private send(add: readonly Excluded[], remove: readonly Excluded[]): void {
    const keys = (all: readonly Excluded[]) => all.map(({ hierarchy, id, oneIn }) => ({ hierarchy, id, oneIn }));
    this.options.send({ clear: false, add: keys(add), remove: keys(remove) });
  }

  private cgroupsOf({ processes, strings }: Window, index: number): Array<Omit<Excluded, 'oneIn'>> {
    const [v2, v1] = [processes.cgroupV2[index]!, processes.cgroupV1[index]!];
    const controller = strings[processes.cgroupV1Controller[index]!]!;
    const both = [
      { hierarchy: 'v2', hierarchyKey: 'v2', id: v2 },
      { hierarchy: 'v1', hierarchyKey: controller, id: v1 },
    ] as const;
    return both
      .filter(({ id }) => id !== 0n)
      .map((each) => {
        const path = this.options.discovery.cgroupPath(each.hierarchyKey, each.id);
        return { ...each, path, alone: v1 === 0n || v2 === 0n };
      })
      .filter(({ path }) => path !== '');
  }

  /** One in so many samples is kept, as that cgroup alone decides for every process in it; 1 where it does not. */
  private keptOf({ hierarchyKey, path, alone }: Omit<Excluded, 'oneIn'>, filters: CompiledFilters): number {
    const { podName, discovery } = this.options;
    const placement = attributeProcess(hierarchyKey === 'v2' ? `0::${path}` : `1:${hierarchyKey}:${path}`);
    const names = placement.podUid === null && placement.containerId === null ? undefined : podName(placement);
    // Another hierarchy may put the same process into a pod.
    const outside = alone && (placement.containerId !== null || !discovery.state.fallback);
    const subject = { placement, names, attributed: placement.podUid !== null || outside };
    const target = filterTarget(subject, undefined, { paths: [path], more: !alone });
    const verdict = filters.decide(target);
    if (verdict === 'exclude') return 0;
    return verdict === 'unknown' ? 1 : filters.oneIn(target);
  }
}
