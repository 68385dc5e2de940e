import type { PodName, PodNames, SourceStatus } from '@perfleet/pods';
import type { Window } from '@perfleet/sampler';
import type { NodeDiscovery } from './discovery/node-discovery.ts';
import type { Subject } from './filtering/filter-target.ts';
import { isAttributed, processText, resourceLabels, type Placement, type ResourceLabels } from './resource-labels.ts';

export interface NamedWindow {
  /** Resource attributes of a process, by its index in the window. */
  readonly labelsOf: (process: number) => ResourceLabels;
  /** What filters judge it by. */
  readonly subject: (process: number) => Subject;
  /** Some name is missing that may be known soon: worth waiting one window for. */
  readonly wait: boolean;
}

const NOWHERE: Placement = { podUid: null, containerId: null };
const MAX_WAITED = 10_000;

/** Names the processes of windows: cgroup by discovery, pod by the sources of names. */
export class WindowNaming {
  /** What was waited for before: what stays without a name is not waited for again. */
  private waited = new Set<string>();

  constructor(
    private readonly node: { readonly node: string; readonly cluster: string },
    private readonly discovery: NodeDiscovery,
    private readonly podNames: PodNames | undefined,
  ) {}

  async name(window: Window): Promise<NamedWindow> {
    const { placements, unnamed } = await this.discovery.place(window);
    const names = placements.map((placement) => this.podName(placement));
    const missing = [...unnamed, ...this.podsWithoutName(placements, names)];
    const { fallback } = this.discovery.state;
    const subject = (index: number) => {
      const placement = placements[index] ?? NOWHERE;
      const attributed = isAttributed(placement, processText(window, index).cgroupFile, fallback);
      return { placement, names: names[index], attributed };
    };
    const labelsOf = (index: number) => {
      const { placement, names, attributed } = subject(index);
      return resourceLabels(this.node, processText(window, index), placement, names, attributed);
    };
    return { labelsOf, subject, wait: this.firstTime(missing) };
  }

  /** A source of names is a convenience: whatever it does, the pod keeps its UID. */
  podName({ podUid, containerId }: Placement): PodName | undefined {
    if (podUid === null && containerId === null) return undefined;
    try {
      return this.podNames?.lookup(podUid, containerId);
    } catch {
      return undefined;
    }
  }

  /** A source that reads annotations has answered once; what it said stays in use. */
  get annotationsExpected(): boolean {
    return this.podNames?.status().some(({ readsLabels, answeredAt }) => readsLabels && answeredAt !== null) ?? false;
  }

  /** The sources are asked as soon as a pod is unknown; without one that answers there is nothing to wait for. */
  private podsWithoutName(placements: readonly Placement[], names: ReadonlyArray<PodName | undefined>): string[] {
    const answering = this.podNames?.status().filter(({ ok }) => ok) ?? [];
    if (answering.length === 0) return [];
    const labels = answering.some(({ readsLabels }) => readsLabels);
    return placements.flatMap(({ podUid, containerId }, i) => {
      const known = names[i] && (containerId === null || names[i].container !== undefined);
      if (podUid === null || (known && (!labels || names[i]!.labels !== undefined))) return [];
      return [`pod ${podUid} ${containerId ?? ''}`];
    });
  }

  private firstTime(keys: readonly string[]): boolean {
    const fresh = keys.filter((key) => !this.waited.has(key));
    if (this.waited.size + fresh.length > MAX_WAITED) this.waited = new Set();
    for (const key of fresh) this.waited.add(key);
    return fresh.length > 0;
  }
}

/** What an operator should know of the sources of names; "" = nothing. Only a node with pods misses them. */
export function podNamesNote(statuses: readonly SourceStatus[], mode: string): string {
  const lost = statuses.filter(({ ok, answeredAt }) => !ok && answeredAt !== null);
  if (lost.length > 0) {
    const each = lost.map(({ source, error }) => `${source} (${error})`).join(', ');
    return `names of pods: lost ${each}; what it said last stays in use`;
  }
  if (mode !== 'pods' || statuses.length === 0 || statuses.some(({ ok }) => ok)) return '';
  const each = statuses.map(({ source, error }) => `${source} (${error})`).join(', ');
  return `names of pods: no source answers, pods are told by their UIDs: ${each}`;
}
