import type { DiscoveryMode } from '@perfleet/messages';
import type { Logger } from '@perfleet/observability';
import type { Window } from '@perfleet/sampler';
import { processText, type Placement } from '../resource-labels.ts';
import { CgroupIds, type HierarchyKey } from './cgroup-ids.ts';
import { evaluateCapture, placementOf } from './evaluate.ts';
import { kubernetesEvidence } from './kubernetes-evidence.ts';
import { captureNode, type LiveCapture } from './live-capture.ts';
import { cgroupVersion, parseCgroupMounts } from './mounts.ts';

export interface DiscoveryState {
  readonly mode: DiscoveryMode;
  /** Kubernetes is evident and the mode is not `pods`. */
  readonly fallback: boolean;
  readonly reason: string;
  readonly cgroupVersion: 'v1' | 'v2' | 'hybrid' | 'none';
}

/** What the collector wants of discovery. */
export interface NodeDiscovery {
  readonly state: DiscoveryState;
  /** Looks at the node now and keeps doing so. Never rejects. */
  start(onChange: (state: DiscoveryState, before: DiscoveryState) => void): Promise<void>;
  /** Where the window's processes run, by their index. Never rejects. */
  place(window: Window): Promise<Placement[]>;
  stop(): void;
}

export interface LiveDiscoveryOptions {
  readonly kubernetes?: 'auto' | 'yes' | 'no';
  readonly logger: Logger;
  readonly procDir?: string;
  /** Between two looks at the node, milliseconds. */
  readonly everyMs?: number;
  /** Least time between two looks that new cgroups cause, milliseconds. */
  readonly minMs?: number;
  readonly capture?: () => Promise<LiveCapture>;
  readonly evidence?: () => Promise<readonly string[]>;
}

const UNKNOWN: DiscoveryState = {
  mode: 'whole-system',
  fallback: false,
  reason: 'not looked at yet',
  cgroupVersion: 'none',
};
const NOWHERE: Placement = { podUid: null, containerId: null };
const MAX_PLACEMENTS = 20_000;

/** Discovery of the node this process runs on. Sampling does not depend on it: it only names what was sampled. */
export class LiveDiscovery implements NodeDiscovery {
  private current: DiscoveryState = UNKNOWN;
  private timer: NodeJS.Timeout | null = null;
  private looking: Promise<void> | null = null;
  private lookedAt = -Infinity;
  private readonly ids = new CgroupIds();
  private placements = new Map<string, Placement>();
  private onChange: (state: DiscoveryState, before: DiscoveryState) => void = () => undefined;

  constructor(private readonly options: LiveDiscoveryOptions) {}

  get state(): DiscoveryState {
    return this.current;
  }

  async start(onChange: (state: DiscoveryState, before: DiscoveryState) => void): Promise<void> {
    await this.look();
    this.onChange = onChange;
    this.timer = setInterval(() => void this.look(), this.options.everyMs ?? 30_000);
    this.timer.unref();
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    this.onChange = () => undefined;
  }

  async place(window: Window): Promise<Placement[]> {
    const { cgroupV1, cgroupV1Controller, cgroupV2 } = window.processes;
    const keys: Array<readonly [HierarchyKey, bigint]> = [];
    for (let i = 0; i < cgroupV2.length; i++) {
      keys.push(['v2', cgroupV2[i]!]);
      if (cgroupV1[i] !== 0n) keys.push([window.strings[cgroupV1Controller[i]!]!, cgroupV1[i]!]);
    }
    await this.ids.learn(keys);
    const placements = Array.from(cgroupV2, (_, i) => this.placeOne(window, i));
    const surprising = this.current.mode !== 'pods' && placements.some((p) => p.podUid !== null);
    const container = this.current.mode === 'whole-system' && placements.some((p) => p.containerId !== null);
    if (surprising || container) void this.lookSoon();
    return placements;
  }

  /** The cgroup that the kernel saw at the sample names it; the text that the sampler read of it is the second best. */
  private placeOne(window: Window, index: number): Placement {
    const { cgroupV1, cgroupV1Controller, cgroupV2 } = window.processes;
    const v2 = this.ids.lookup('v2', cgroupV2[index]!);
    const controller = window.strings[cgroupV1Controller[index]!]!;
    const v1 = cgroupV1[index] === 0n ? '' : this.ids.lookup(controller, cgroupV1[index]!);
    const lines = [...(v1 ? [`1:${controller}:${v1}`] : []), ...(v2 ? [`0::${v2}`] : [])];
    const byId = this.placeLines(lines.join('\n'));
    if (byId.podUid !== null || byId.containerId !== null) return byId;
    return this.placeLines(processText(window, index).cgroupFile);
  }

  private placeLines(text: string): Placement {
    if (text === '') return NOWHERE;
    const known = this.placements.get(text);
    if (known) return known;
    if (this.placements.size >= MAX_PLACEMENTS) this.placements = new Map();
    const placement = placementOf(text.split('\n').filter((line) => line !== ''));
    this.placements.set(text, placement);
    return placement;
  }

  private async lookSoon(): Promise<void> {
    if (performance.now() - this.lookedAt >= (this.options.minMs ?? 2000)) await this.look();
  }

  private look(): Promise<void> {
    return (this.looking ??= this.lookNow().finally(() => (this.looking = null)));
  }

  private async lookNow(): Promise<void> {
    this.lookedAt = performance.now();
    const before = this.current;
    try {
      const { procDir, kubernetes = 'auto' } = this.options;
      const capture = await (this.options.capture?.() ?? captureNode({ procDir }));
      const evidence =
        kubernetes === 'auto' ? await (this.options.evidence?.() ?? kubernetesEvidence({ procDir })) : [];
      const mounts = parseCgroupMounts(capture.mountinfo);
      this.ids.setMounts(mounts);
      const wanted = kubernetes === 'yes' ? ['the configuration says so'] : evidence;
      this.current = { ...evaluateCapture(capture, wanted), cgroupVersion: cgroupVersion(mounts) };
    } catch (error) {
      // Discovery only names things: whatever the node looks like, sampling goes on with what is known.
      this.options.logger.error({ error: error instanceof Error ? error.message : String(error) }, 'discovery failed');
      return;
    }
    const { mode, fallback } = this.current;
    if (before !== UNKNOWN && (before.mode !== mode || before.fallback !== fallback))
      this.onChange(this.current, before);
  }
}
