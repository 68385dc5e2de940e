import { DirectoryTree } from './directory-tree.ts';
import { describeGroup, groupMounts, type MountGroup } from './hierarchies.ts';
import { findKubernetes, kubeletMismatches } from './kubernetes.ts';
import type { Discovery, DiscoverOptions, DiscoveryMode, Hierarchy, NodeCapture } from './model.ts';
import { parseMountinfo, type CgroupMount } from './mountinfo.ts';
import { segmentsOf } from './paths.ts';
import { findPod } from './pod-segment.ts';
import { PodList, scanHierarchy, type HierarchyScan } from './pod-roots.ts';
import { hasProcessBelow, readProcesses, type CapturedProcess } from './process-paths.ts';

interface UsedHierarchy {
  readonly group: MountGroup;
  readonly scan: HierarchyScan;
}

/** What a node looks like and what can be told of its processes. Never throws, whatever the capture holds. */
export function discover(capture: NodeCapture, options: DiscoverOptions = {}): Discovery {
  const node: NodeCapture = typeof capture === 'object' && capture !== null ? capture : {};
  const mounts = parseMountinfo(node.mountinfo);
  const tree = new DirectoryTree(
    node,
    mounts.map((mount) => mount.mountpoint),
  );
  const processes = readProcesses(node.processes);
  const hierarchies: Hierarchy[] = [];
  const used: UsedHierarchy[] = [];
  for (const group of groupMounts(mounts, node.mountpointInodes, tree)) {
    const found = scanGroup(tree, group, mounts);
    hierarchies.push(...describeGroup(group, found?.mount ?? null));
    if (found) used.push({ group, scan: found.scan });
  }

  const { roots, stale, undecided } = selectRoots(used, processes);
  const pods = collectPods(used, processes);
  const unlistable = new Map(used.flatMap(({ scan }) => [...scan.unlistable]));
  const podProcesses = processes.filter((process) => process.attribution.podUid !== null).length;
  const containers =
    used.some(({ scan }) => scan.containers) || processes.some((process) => process.attribution.containerId !== null);
  const mode: DiscoveryMode =
    roots.length > 0 || podProcesses > 0 ? 'pods' : containers ? 'containers-only' : 'whole-system';
  const evident = options.kubernetesEvident ?? (unlistable.size > 0 || findKubernetes(processes));
  const fallback = mode !== 'pods' && evident;

  const notes: string[] = [];
  if (roots.length > 0) notes.push(`${pods.length} pod${pods.length === 1 ? '' : 's'} below ${roots.join(', ')}`);
  else if (podProcesses > 0) notes.push(`${podProcesses} processes name their pods; no kubepods root can be listed`);
  else if (unlistable.size === 0) notes.push(nothingFound(mounts, used));
  if (mode === 'containers-only') notes.push('containers have ids but no pods');
  notes.push(
    ...unlistableNotes(unlistable),
    ...unlistableNotes(new Map(used.flatMap(({ scan }) => [...scan.unlistableClasses]))),
  );
  for (const path of stale) notes.push(`${path} is stale: it has no process`);
  if (undecided.length > 1) notes.push(`no process below ${undecided.join(', ')}: none of them is taken for stale`);
  for (const { mountpoint, rejected } of hierarchies.filter((h) => h.rejected?.startsWith('cannot'))) {
    notes.push(`${mountpoint} ${rejected}`);
  }
  const mismatches = kubeletMismatches(options.kubelet, roots, mode);
  notes.push(...mismatches);
  if (fallback) {
    const why = options.evidence?.length ? ` (${options.evidence.join(', ')})` : '';
    notes.push(`Kubernetes is evident on this node${why}`);
  }
  const reason = notes.join('; ');
  return { mode, fallback, reason, kubeletMismatches: mismatches, hierarchies, podRoots: roots, pods };
}

/** The best mount that holds a pod root, else the best one: a private cgroup namespace can hide what another mount shows. */
function scanGroup(
  tree: DirectoryTree,
  group: MountGroup,
  mounts: readonly CgroupMount[],
): { mount: CgroupMount; scan: HierarchyScan } | null {
  // Of the same hierarchy too: nodes in containers mount it again on the path that it has outside.
  const points = new Set(mounts.map((mount) => mount.mountpoint));
  let first: { mount: CgroupMount; scan: HierarchyScan } | null = null;
  for (const mount of group.usable) {
    const scan = scanHierarchy(tree, mount, points);
    if (scan.kubepods.size + scan.colonParents.size > 0) return { mount, scan };
    first ??= { mount, scan };
  }
  return first;
}

/**
 * Of several kubepods roots in one hierarchy those without a process are left over, e.g. from another cgroup driver. That is
 * said by comparison only: where no root has a process (the node has just booted, or its processes cannot be read) all of
 * them are roots, for to leave out the right one would lose pods, and to keep a stale one loses nothing.
 */
function selectRoots(
  used: readonly UsedHierarchy[],
  processes: readonly CapturedProcess[],
): { roots: string[]; stale: string[]; undecided: string[] } {
  const live = new Set<string>();
  const stale = new Set<string>();
  const undecided = new Set<string>();
  for (const { group, scan } of used) {
    const paths = [...scan.kubepods.keys()];
    const below = (root: string, hierarchy: MountGroup | null) =>
      hasProcessBelow(processes, root, scan.kubepods.get(root)!, hierarchy);
    let alive = paths.filter((root) => below(root, group));
    if (alive.length === 0) alive = paths.filter((root) => below(root, null));
    for (const root of alive) live.add(root);
    const rest = paths.length > 1 ? paths.filter((root) => !alive.includes(root)) : [];
    for (const root of rest) (alive.length > 0 ? stale : undecided).add(root);
  }
  const all = new Set(used.flatMap(({ scan }) => [...scan.kubepods.keys()]));
  const left = [...stale].filter((root) => !live.has(root)).sort();
  const kept = [...all].filter((root) => !left.includes(root));
  const colon = used.flatMap(({ scan }) => [...scan.colonParents]);
  const roots = [...new Set([...kept, ...colon])].sort();
  return { roots, stale: left, undecided: kept.filter((root) => undecided.has(root) && !live.has(root)).sort() };
}

/** Pods that can be listed, and pods that only a process names because no mount shows them. */
function collectPods(used: readonly UsedHierarchy[], processes: readonly CapturedProcess[]) {
  const pods = new PodList();
  for (const { scan } of used) for (const pod of scan.pods) pods.add(pod);
  for (const { lines, attribution } of processes) {
    const { podUid: uid, containerId, qos } = attribution;
    if (uid === null) continue;
    for (const { path } of lines) {
      const segments = segmentsOf(path);
      const pod = findPod(segments);
      if (pod?.uid !== uid) continue;
      const end = pod.colonSuffix === null ? pod.index + 1 : pod.index;
      const containers = containerId === null ? [] : [containerId];
      pods.add({ uid, qos, path: `/${segments.slice(0, end).join('/')}`, containers });
      break;
    }
  }
  return pods.all();
}

const MAX_PLACES = 3;

/** By errno: with cgroup v1 the same directory fails in a dozen hierarchies. */
function unlistableNotes(places: ReadonlyMap<string, string>): string[] {
  const byErrno = new Map<string, string[]>();
  for (const [path, errno] of places) byErrno.set(errno, [...(byErrno.get(errno) ?? []), path]);
  return [...byErrno].map(([errno, paths]) => {
    const more = paths.length > MAX_PLACES ? ` and ${paths.length - MAX_PLACES} more` : '';
    return `${paths.slice(0, MAX_PLACES).join(', ')}${more} cannot be listed: ${errno}`;
  });
}

function nothingFound(mounts: readonly CgroupMount[], used: readonly UsedHierarchy[]): string {
  if (mounts.length === 0) return 'no cgroup file system is mounted here, and no process names a pod';
  if (used.length === 0) return 'no cgroup mount can be listed, and no process names a pod';
  const hierarchies = used.length === 1 ? 'the cgroup hierarchy' : `${used.length} cgroup hierarchies`;
  return `no kubepods root in ${hierarchies}, and no process names a pod`;
}
