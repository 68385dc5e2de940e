import {
  attributePath,
  attributeProcess,
  cgroupVersion,
  discover,
  isBelow,
  isKubepodsRoot,
  parseProcCgroup,
  type Discovery,
  type DiscoveryMode,
  type Hierarchy,
  type KubeletDeclaration,
} from '@perfleet/cgroup';
import type { Logger } from '@perfleet/observability';
import type { Window } from '@perfleet/sampler';
import { processText, type Placement } from '../resource-labels.ts';
import { CgroupIds, type HierarchyKey } from './cgroup-ids.ts';
import { CgroupWatch } from './cgroup-watch.ts';
import { kubeletDeclaration } from './kubelet-declaration.ts';
import { kubernetesEvidence } from './kubernetes-evidence.ts';
import { captureNode, type CaptureOptions, type LiveCapture } from './live-capture.ts';
import { LookSchedule } from './look-schedule.ts';
import { walkDirectories } from './walk.ts';

export interface DiscoveryState {
  readonly mode: DiscoveryMode;
  /** Kubernetes is evident and the mode is not `pods`. */
  readonly fallback: boolean;
  readonly reason: string;
  readonly podRoots: readonly string[];
  /** What the kubelet declares and the layout contradicts, each in a few words. */
  readonly kubeletMismatches: readonly string[];
  readonly cgroupVersion: 'v1' | 'v2' | 'hybrid' | 'none';
}

/** Where a window's processes run, by their index. */
export interface Placements {
  readonly placements: readonly Placement[];
  /** Cgroups of the window that have no name yet, each as one key. */
  readonly unnamed: readonly string[];
}

/** What the collector wants of discovery. */
export interface NodeDiscovery {
  readonly state: DiscoveryState;
  /** Looks at the node now and keeps doing so. Never rejects. */
  start(onChange: (state: DiscoveryState, before: DiscoveryState) => void): Promise<void>;
  /** Never rejects. */
  place(window: Window): Promise<Placements>;
  /** Path inside its hierarchy (`v2`, or that of a v1 controller) of a cgroup; "" = not known. */
  cgroupPath(hierarchy: string, id: bigint): string;
  stop(): void;
}

export interface LiveDiscoveryOptions {
  readonly kubernetes?: 'auto' | 'yes' | 'no';
  readonly logger: Logger;
  readonly procDir?: string;
  /** Between two looks at the node, milliseconds; longer where a look is so long that it would cost a hundredth of a core. */
  readonly everyMs?: number;
  /** Least time between two looks that new cgroups cause, milliseconds. */
  readonly minMs?: number;
  readonly capture?: (options: CaptureOptions) => Promise<LiveCapture>;
  readonly evidence?: () => Promise<readonly string[]>;
  readonly kubelet?: () => KubeletDeclaration | undefined;
}

const UNKNOWN: DiscoveryState = {
  mode: 'whole-system',
  fallback: false,
  reason: 'not looked at yet',
  podRoots: [],
  kubeletMismatches: [],
  cgroupVersion: 'none',
};
const NOWHERE: Placement = { podUid: null, containerId: null };
const MAX_PLACEMENTS = 20_000;
/** The sampler's own first choice of a v1 controller; a window says which one it took. */
const USUAL_CONTROLLER = 'memory';

/** Discovery of the node this process runs on. Sampling does not depend on it: it only names what was sampled. */
export class LiveDiscovery implements NodeDiscovery {
  private current: DiscoveryState = UNKNOWN;
  private looking: Promise<void> | null = null;
  private readonly schedule: LookSchedule;
  private readonly ids = new CgroupIds();
  private readonly watch: CgroupWatch;
  private hierarchies: readonly Hierarchy[] = [];
  private controller = USUAL_CONTROLLER;
  private placements = new Map<string, Placement>();
  private failing = false;
  private onChange: (state: DiscoveryState, before: DiscoveryState) => void = () => undefined;

  constructor(private readonly options: LiveDiscoveryOptions) {
    const { everyMs = 30_000, minMs = 1000 } = options;
    this.schedule = new LookSchedule({ everyMs, minMs, look: () => this.look() });
    this.watch = new CgroupWatch({
      wanted: (path) => this.holdsPods(path),
      onChange: (path, inode) => this.onDirectory(path, inode),
      onLost: () => this.schedule.soon(),
    });
  }

  get state(): DiscoveryState {
    return this.current;
  }

  async start(onChange: (state: DiscoveryState, before: DiscoveryState) => void): Promise<void> {
    this.schedule.start();
    await this.schedule.now();
    this.onChange = onChange;
  }

  stop(): void {
    this.schedule.stop();
    this.watch.close();
    this.onChange = () => undefined;
  }

  async place(window: Window): Promise<Placements> {
    this.watch.read();
    const { cgroupV1, cgroupV1Controller, cgroupV2 } = window.processes;
    const missing: Array<readonly [HierarchyKey, bigint]> = [];
    for (let i = 0; i < cgroupV2.length; i++) {
      const text = processText(window, i).cgroupFile;
      const controller = window.strings[cgroupV1Controller[i]!]!;
      if (controller !== '' && cgroupV1[i] !== 0n) this.useController(controller);
      for (const [key, id] of [
        ['v2', cgroupV2[i]!],
        [controller, cgroupV1[i]!],
      ] as const) {
        if (id !== 0n && this.ids.lookup(key, id) === '' && !this.adopt(key, id, text)) missing.push([key, id]);
      }
    }
    if (missing.length > 0) await this.ids.learn(missing);
    const placements = Array.from(cgroupV2, (_, i) => this.placeOne(window, i));
    const pod = this.current.mode !== 'pods' && placements.some((p) => p.podUid !== null);
    const container = this.current.mode === 'whole-system' && placements.some((p) => p.containerId !== null);
    if (pod || container) this.schedule.soon();
    const unnamed = missing.filter(([key, id]) => this.ids.lookup(key, id) === '').map(([key, id]) => `${key}:${id}`);
    return { placements, unnamed };
  }

  cgroupPath(hierarchy: string, id: bigint): string {
    return id === 0n ? '' : this.ids.lookup(hierarchy, id);
  }

  /** The text that the sampler read of /proc names the id, if the directory there still has it. */
  private adopt(key: HierarchyKey, id: bigint, text: string): boolean {
    if (text === '') return false;
    const lines = parseProcCgroup(text);
    const line = lines.find(({ controllers }) => (key === 'v2' ? controllers.length === 0 : controllers.includes(key)));
    return line !== undefined && this.ids.adopt(key, id, line.path);
  }

  /** The cgroup that the kernel saw at the sample names it; the text that the sampler read of it is the second best. */
  private placeOne(window: Window, index: number): Placement {
    const { cgroupV1, cgroupV1Controller, cgroupV2 } = window.processes;
    const v2 = this.ids.lookup('v2', cgroupV2[index]!);
    const controller = window.strings[cgroupV1Controller[index]!]!;
    const v1 = cgroupV1[index] === 0n ? '' : this.ids.lookup(controller, cgroupV1[index]!);
    const lines = [...(v1 ? [`1:${controller}:${v1}`] : []), ...(v2 ? [`0::${v2}`] : [])];
    const byId = this.placeLines(lines.join('\n'));
    if (byId.podUid !== null) return byId;
    const byText = this.placeLines(processText(window, index).cgroupFile);
    return byText.podUid !== null || byId.containerId === null ? byText : byId;
  }

  private placeLines(text: string): Placement {
    if (text === '') return NOWHERE;
    const known = this.placements.get(text);
    if (known) return known;
    if (this.placements.size >= MAX_PLACEMENTS) this.placements = new Map();
    const { podUid, containerId } = attributeProcess(text);
    const placement = { podUid, containerId };
    this.placements.set(text, placement);
    return placement;
  }

  /** Directories above containers, in the hierarchies that samples name; and what is above pod roots in a container. */
  private holdsPods(at: string): boolean {
    const path = this.watchedPath(at);
    if (path === null) return false;
    const { podUid, containerId } = attributePath(path);
    if (containerId === null) return true;
    return podUid === null && this.current.podRoots.some((root) => isBelow(root, path) || isBelow(path, root));
  }

  private watchedPath(at: string): string | null {
    for (const { mountpoint, root } of this.watchedHierarchies()) {
      const base = root === '/' || root.startsWith('/..') ? '' : root;
      if (isBelow(at, mountpoint)) return base + at.slice(mountpoint.length) || '/';
    }
    return null;
  }

  /** v2 and one of v1: the pods of the others are the same ones. */
  private watchedHierarchies(): Hierarchy[] {
    const used = this.hierarchies.filter(({ rejected }) => rejected === undefined);
    const v1 = used.filter(({ version }) => version === 1);
    const one = v1.find(({ controllers }) => controllers.includes(this.controller)) ?? v1[0];
    return [...used.filter(({ version }) => version === 2), ...(one ? [one] : [])];
  }

  private useController(controller: string): void {
    if (controller === this.controller) return;
    this.controller = controller;
    const hierarchy = this.watchedHierarchies().find(({ controllers }) => controllers.includes(controller));
    if (hierarchy) void this.watchHierarchy(hierarchy.mountpoint);
  }

  /** Another hierarchy than the usual one is sampled: it is watched without waiting for the next look. */
  private async watchHierarchy(mountpoint: string): Promise<void> {
    const begunAt = performance.now();
    const walk = await walkDirectories(mountpoint);
    this.ids.noteWalk(mountpoint, walk, begunAt);
    if (this.schedule.running) this.watch.extend(walk.directories.map(({ path }) => path));
  }

  private onDirectory(at: string, inode: bigint | null): void {
    this.ids.note(at, inode);
    const path = this.watchedPath(at);
    if (path !== null && this.matters(path, inode !== null)) this.schedule.soon();
  }

  /** Whether a directory that came or went can change the answer: thousands of containers come and go without that. */
  private matters(path: string, came: boolean): boolean {
    const { mode, podRoots } = this.current;
    // The usual case first: a pod or a container of a known root.
    if (came && mode === 'pods' && podRoots.some((root) => root !== path && isBelow(path, root))) return false;
    if (!came) return podRoots.some((root) => isBelow(root, path));
    if (isKubepodsRoot(path.split('/').pop()!)) return !podRoots.includes(path);
    const { podUid, containerId } = attributePath(path);
    if (podUid !== null) return mode !== 'pods' || !podRoots.some((root) => isBelow(path, root));
    return containerId !== null && mode === 'whole-system';
  }

  private look(): Promise<void> {
    return (this.looking ??= this.lookNow().finally(() => (this.looking = null)));
  }

  private async lookNow(): Promise<void> {
    const before = this.current;
    try {
      const { procDir, kubernetes = 'auto', capture = captureNode } = this.options;
      const begunAt = performance.now();
      const walks = new Map<string, Parameters<CgroupIds['noteWalk']>[1]>();
      const layout = await capture({ procDir, onWalk: (mountpoint, walk) => walks.set(mountpoint, walk) });
      const found = discover(layout, await this.expectations(kubernetes));
      this.hierarchies = found.hierarchies;
      this.current = stateOf(found);
      const used = found.hierarchies.filter(({ rejected }) => rejected === undefined);
      this.ids.setMounts(used);
      for (const { mountpoint } of used) {
        const walk = walks.get(mountpoint);
        if (walk) this.ids.noteWalk(mountpoint, walk, begunAt);
      }
      if (this.schedule.running) {
        const watched = this.watchedHierarchies().map(({ mountpoint }) => walks.get(mountpoint)?.directories ?? []);
        this.watch.sync(watched.flat().map(({ path }) => path));
      }
      if (this.failing) this.options.logger.info('discovery works again');
      this.failing = false;
    } catch (error) {
      // Discovery only names things: whatever the node looks like, sampling goes on with what is known.
      const message = error instanceof Error ? error.message : String(error);
      if (!this.failing) this.options.logger.error({ error: message }, 'discovery failed; what it knew stays in use');
      this.failing = true;
      return;
    }
    const { mode, fallback } = this.current;
    if (before !== UNKNOWN && (before.mode !== mode || before.fallback !== fallback))
      this.onChange(this.current, before);
  }

  /** Whether pods should be here, and what the kubelet says of itself. */
  private async expectations(kubernetes: 'auto' | 'yes' | 'no'): Promise<Parameters<typeof discover>[1]> {
    const {
      procDir,
      evidence: find = () => kubernetesEvidence({ procDir }),
      kubelet = kubeletDeclaration,
    } = this.options;
    if (kubernetes === 'no') return { kubernetesEvident: false };
    const evidence = kubernetes === 'yes' ? ['the configuration says so'] : await find();
    return { ...(evidence.length > 0 && { kubernetesEvident: true, evidence }), kubelet: kubelet() };
  }
}

function stateOf({ hierarchies, ...found }: Discovery): DiscoveryState {
  const { mode, fallback, reason, podRoots, kubeletMismatches } = found;
  return { mode, fallback, reason, podRoots, kubeletMismatches, cgroupVersion: cgroupVersion(hierarchies) };
}
