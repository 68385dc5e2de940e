/** What discovery reads and answers. All data: nothing here touches the machine. */

/** What a node looks like, as `perfleet discover --capture` writes it. */
export interface NodeCapture {
  readonly name?: string;
  readonly description?: string;
  /** The cgroup-relevant lines of /proc/self/mountinfo. */
  readonly mountinfo?: readonly string[];
  /** Inode by mountpoint, where it is known; 1 = the root of the hierarchy. Absent = 1 for a mount of root `/`. */
  readonly mountpointInodes?: Readonly<Record<string, number>>;
  /** Directories that exist; so do their ancestors and every mountpoint. */
  readonly directories?: readonly string[];
  /** What exists and cannot be listed or read. */
  readonly unreadable?: ReadonlyArray<{ readonly path: string; readonly errno: string }>;
  /** The reader's own /proc/self/cgroup, where it is known. */
  readonly selfProcCgroup?: readonly string[] | null;
  readonly processes?: ReadonlyArray<{ readonly name: string; readonly procCgroup: readonly string[] }>;
}

export type Qos = 'guaranteed' | 'burstable' | 'besteffort';

/** Whose process it is, as far as its cgroup paths say. */
export interface ProcessAttribution {
  readonly podUid: string | null;
  readonly containerId: string | null;
  /** Null outside pods, and where a cgroup namespace hides the pod's parent. */
  readonly qos: Qos | null;
  /** Best guess from the path, e.g. `containerd`, `cri-o`, `docker`, `podman`, `lxc`. */
  readonly runtime: string | null;
  /** The runtime's own process: conmon, a shim, the daemon. Its `containerId` is null. */
  readonly infra: boolean;
}

export type DiscoveryMode = 'pods' | 'containers-only' | 'whole-system';

/** One cgroup mount. Of each `id` the one without `rejected` is used; there may be none. */
export interface Hierarchy {
  /** major:minor */
  readonly id: string;
  readonly version: 1 | 2;
  /** v1: controllers and `name=…`, from the super-options. v2: empty, its controllers are not mount options. */
  readonly controllers: readonly string[];
  readonly mountpoint: string;
  /** What of the hierarchy is mounted, as mountinfo says; begins with `/..` where a cgroup namespace hides the rest. */
  readonly root: string;
  /** Why another mount of the hierarchy, or none, is used. */
  readonly rejected?: string;
}

export interface DiscoveredPod {
  readonly uid: string;
  readonly qos: Qos | null;
  /** The pod's directory inside its hierarchy; for the colon form the parent of its containers. */
  readonly path: string;
  /** Container ids, sorted. */
  readonly containers: readonly string[];
}

export interface Discovery {
  readonly mode: DiscoveryMode;
  /** Kubernetes is evident on the node and the mode is not `pods`. */
  readonly fallback: boolean;
  /** One line for an operator: what was found, what was not, and why. */
  readonly reason: string;
  /** Where what the kubelet declares and what is there differ, each in a few words; part of the reason too. */
  readonly kubeletMismatches: readonly string[];
  readonly hierarchies: readonly Hierarchy[];
  /** Paths inside the hierarchies that hold pods, sorted. */
  readonly podRoots: readonly string[];
  /** Sorted by UID. */
  readonly pods: readonly DiscoveredPod[];
}

export interface DiscoverOptions {
  /** Whether this node should have pods; absent = what the capture itself gives away. */
  readonly kubernetesEvident?: boolean;
  /** What makes Kubernetes evident, in a few words each; told in the reason of a fallback. */
  readonly evidence?: readonly string[];
  /** What the kubelet says of itself. Compared with what is there, and never an input. */
  readonly kubelet?: KubeletDeclaration;
}

export interface KubeletDeclaration {
  readonly cgroupsPerQOS?: boolean;
  readonly cgroupDriver?: string;
  readonly cgroupRoot?: string;
}
