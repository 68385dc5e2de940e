import type { Qos } from './model.ts';

/** A path segment that is a pod. */
export interface PodSegment {
  readonly index: number;
  readonly uid: string;
  readonly qos: Qos | null;
  /** What follows the slice in the colon form `…slice:prefix:id`; null in the other forms. */
  readonly colonSuffix: string | null;
}

/** NAME_MAX: a longer segment is no directory's name. */
const MAX_SEGMENT = 255;

/** systemd driver; `.slice.slice` and underscores are CRI-O of 2017, which encoded the name twice. */
const SLICE =
  /^(?:.*?-)?kubepods(?:-(burstable|besteffort))?-pod([^-]+?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.slice){1,2}$/;
const TWICE = /^(?:.*?[-_])?kubepods(?:_(burstable|besteffort))?_pod(.+?)(?:\.slice){2}$/;
const CGROUPFS = /^pod(.+)$/;
const QOS_PARENT = /^(burstable|besteffort)$/i;
const UNIT = /\.(?:slice|scope|service|mount|socket|timer|swap|device)$/;
/** RFC 4122, or the hash of a static pod's manifest. */
const SURE_UID = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$/i;
const HEX64 = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/;

/** Directory that a kubelet makes for all pods, in either driver's form. */
const ROOT = /^(?:kubepods|(?:.*[-_])?kubepods(?:\.slice){1,2})$/;
const QOS_DIRECTORY = /^(?:burstable|besteffort|(?:.*[-_])?kubepods[-_](?:burstable|besteffort)(?:\.slice){1,2})$/i;

export function isKubepodsRoot(segment: string): boolean {
  return segment.length <= MAX_SEGMENT && ROOT.test(segment);
}

export function isQosDirectory(segment: string): boolean {
  return segment.length <= MAX_SEGMENT && QOS_DIRECTORY.test(segment);
}

/** The outermost pod of a path: what a cluster inside a pod calls a pod is unknown to this node's kubelet. */
export function findPod(segments: readonly string[]): PodSegment | null {
  for (let index = 0; index < segments.length; index++) {
    const pod = podAt(segments, index);
    if (pod) return pod;
  }
  return null;
}

export function podAt(segments: readonly string[], index: number): PodSegment | null {
  const segment = segments[index]!;
  if (!segment.includes('pod')) return null;
  const colon = segment.indexOf(':');
  if (colon >= 0) {
    const pod = slicePod(segment.slice(0, colon));
    if (pod) return { index, ...pod, colonSuffix: segment.slice(colon + 1) };
  }
  const pod = slicePod(segment) ?? cgroupfsPod(segments, index);
  return pod && { index, ...pod, colonSuffix: null };
}

/** QoS is in the name; no class in it means guaranteed. Dashes of the UID were written as underscores. */
function slicePod(name: string): { uid: string; qos: Qos } | null {
  if (name.length > MAX_SEGMENT) return null;
  const match = SLICE.exec(name) ?? TWICE.exec(name);
  if (!match) return null;
  return { uid: match[2]!.replaceAll('_', '-'), qos: (match[1] as Qos | undefined) ?? 'guaranteed' };
}

function cgroupfsPod(segments: readonly string[], index: number): { uid: string; qos: Qos | null } | null {
  const segment = segments[index]!;
  const uid = segment.length > MAX_SEGMENT ? undefined : CGROUPFS.exec(segment)?.[1];
  if (!uid || UNIT.test(segment)) return null;
  const parent = segments[index - 1];
  if (parent === undefined) return null;
  if (parent === 'kubepods') return { uid, qos: 'guaranteed' };
  const sure = SURE_UID.test(uid);
  const named = QOS_PARENT.exec(parent)?.[1];
  if (named) {
    const above = segments[index - 2];
    // Elsewhere a directory may be called so by chance, and a UID from a manifest may be any word.
    if (!sure && above !== undefined && above !== 'kubepods' && above !== '..') return null;
    return { uid, qos: named.toLowerCase() as Qos };
  }
  if (parent !== '..') return null;
  // `/../podruntime/kubelet` is Talos's own; a pod of such a name has containers below.
  if (!sure && !HEX64.test(segments[index + 1] ?? '')) return null;
  return { uid, qos: null };
}
