import { attributePath } from './attribute.ts';
import { containerInPod } from './container-segment.ts';
import type { DirectoryTree } from './directory-tree.ts';
import type { DiscoveredPod } from './model.ts';
import type { CgroupMount } from './mountinfo.ts';
import { joinPath, normalPath, segmentsOf } from './paths.ts';
import { isKubepodsRoot, isQosDirectory, podAt } from './pod-segment.ts';

/** What holds pods in one hierarchy. All paths are inside the hierarchy. */
export interface HierarchyScan {
  /** Outermost kubepods roots that can be listed, with the directory names of their pods. */
  readonly kubepods: Map<string, Set<string>>;
  /** Parents of children in the colon form. */
  readonly colonParents: Set<string>;
  /** Kubepods roots that are there and cannot be listed, as the reader opens them, with the errno's name. */
  readonly unlistable: Map<string, string>;
  /** The same of directories for pods of one class. */
  readonly unlistableClasses: Map<string, string>;
  readonly pods: readonly DiscoveredPod[];
  /** Some directory is a container outside pods. */
  readonly containers: boolean;
}

/** Pods are at most so deep: a container in a container in a container with a kubelet. */
const MAX_DEPTH = 40;

interface Place {
  /** As the reader opens it. */
  readonly at: string;
  /** Inside the hierarchy. */
  readonly segments: readonly string[];
}

/** Looks for pods wherever they are below a mountpoint: the kubelet's cgroup root may be any directory. */
export function scanHierarchy(
  tree: DirectoryTree,
  mount: CgroupMount,
  mountpoints: ReadonlySet<string>,
): HierarchyScan {
  const scan = {
    kubepods: new Map<string, Set<string>>(),
    colonParents: new Set<string>(),
    unlistable: new Map<string, string>(),
    unlistableClasses: new Map<string, string>(),
    pods: new PodList(),
    containers: false,
  };
  const base = mount.root.startsWith('/..') ? [] : segmentsOf(mount.root);
  const queue: Place[] = [{ at: mount.mountpoint, segments: base }];
  for (let next = 0; next < queue.length; next++) {
    const place = queue[next]!;
    const path = normalPath(place.segments.join('/'));
    const name = place.segments.at(-1);
    if (name !== undefined && isKubepodsRoot(name) && !holdsRoot(tree, place)) {
      const error = tree.errorOf(place.at);
      if (error) scan.unlistable.set(place.at, error);
      else scan.kubepods.set(path, listRoot(tree, place, scan));
      continue;
    }
    if (place.segments.length > base.length + MAX_DEPTH) continue;
    for (const child of tree.list(place.at)) {
      const segments = [...place.segments, child];
      const pod = child.includes('pod') ? podAt(segments, segments.length - 1) : null;
      const at = joinPath(place.at, child);
      if (pod?.colonSuffix != null) {
        scan.colonParents.add(path);
        const { id } = containerInPod(pod.colonSuffix);
        scan.pods.add({ uid: pod.uid, qos: pod.qos, path, containers: id ? [id] : [] });
      } else if (pod) {
        scan.pods.add(podOf(tree, { at, segments }));
      } else if (!mountpoints.has(at)) {
        queue.push({ at, segments });
      }
    }
    if (!scan.containers && attributePath(path).containerId !== null) scan.containers = true;
  }
  return { ...scan, pods: scan.pods.all() };
}

/** Pods by UID, each with the containers of all places where it was seen; the first path stays. */
export class PodList {
  private readonly pods = new Map<string, DiscoveredPod>();

  add(pod: DiscoveredPod | null): void {
    if (!pod) return;
    const known = this.pods.get(pod.uid);
    const containers = known ? [...new Set([...known.containers, ...pod.containers])].sort() : pod.containers;
    this.pods.set(pod.uid, { ...pod, ...known, qos: known?.qos ?? pod.qos, containers });
  }

  all(): DiscoveredPod[] {
    return [...this.pods.values()].sort((a, b) => (a.uid < b.uid ? -1 : a.uid > b.uid ? 1 : 0));
  }
}

/** A cgroup root that is itself called kubepods: then the directory below it is the kubelet's. */
function holdsRoot(tree: DirectoryTree, place: Place): boolean {
  const name = place.segments.at(-1)!;
  const children = tree.list(place.at);
  const inner = name === 'kubepods' ? 'kubepods' : `${name.replace(/(?:\.slice)+$/, '')}-kubepods.slice`;
  return (
    children.includes(inner) &&
    !children.some((c) => isQosDirectory(c) || podAt([...place.segments, c], place.segments.length))
  );
}

/** `<root>/pod*`, `<root>/<class>/pod*`; a class that is not there has no pods. */
function listRoot(
  tree: DirectoryTree,
  root: Place,
  { pods, unlistableClasses }: { pods: PodList; unlistableClasses: Map<string, string> },
): Set<string> {
  const names = new Set<string>();
  const visit = (place: Place, classes: boolean) => {
    for (const child of tree.list(place.at)) {
      const below = { at: joinPath(place.at, child), segments: [...place.segments, child] };
      const pod = podAt(below.segments, below.segments.length - 1);
      if (pod) {
        names.add(child);
        pods.add(podOf(tree, below));
      } else if (classes && isQosDirectory(child)) {
        const error = tree.errorOf(below.at);
        if (error) unlistableClasses.set(below.at, error);
        else visit(below, false);
      }
    }
  };
  visit(root, true);
  return names;
}

function podOf(tree: DirectoryTree, place: Place): DiscoveredPod | null {
  const pod = podAt(place.segments, place.segments.length - 1);
  if (!pod) return null;
  const own = pod.colonSuffix === null ? tree.list(place.at) : [pod.colonSuffix];
  const ids = own.map((name) => containerInPod(name).id).filter((id) => id !== null);
  const containers = [...new Set(ids)].sort();
  return { uid: pod.uid, qos: pod.qos, path: normalPath(place.segments.join('/')), containers };
}
