/** A path segment that is a container, or one that belongs to a container's runtime. */
export interface ContainerSegment {
  readonly id: string | null;
  readonly runtime: string | null;
  readonly infra: boolean;
}

const MAX_SEGMENT = 511;

/** Exactly 64 hex digits, at the start or after a runtime's prefix, and what follows them. */
const HEX64 = /^(?:(.*)[-_:.@])?([0-9a-f]{64})((?:[-_:.].*)?)$/;
/** Units that carry a container's id without being one. A health check of podman is `<id>[-suffix].service`. */
const NOT_A_CONTAINER = /\.(?:slice|mount|automount|timer|socket|swap|device|path|target)$/;
const CONMON = /^(?:(.*?)[-_:])?conmon(?:[-_:].*|\.scope)?$/;
const FARGATE = /^[0-9a-f]{32}-\d+$/;
const NSPAWN = /^systemd-nspawn@(.+)\.service$/;
const MACHINE = /^machine-(.+)\.scope$/;
const NOMAD = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\..+)\.scope$/;
/** Begin of what follows a runtime's prefix where it names a part of the runtime, not a container. */
const HELPER = /^(?:shim|init|monitor|sandbox_overhead|overhead|helper|daemon|exec|health|proxy|runtime|events)\b/;
/** Of `podman generate systemd`: conmon runs in it, the container in a scope of its own. */
const PODMAN_UNIT = /^(?:container|pod)$/;
/** Of a container in a pod that is not 64 hex digits. */
const SHORT_ID = /^[0-9a-f][0-9a-f-]{11,}$/;
const PREFIX =
  /^(cri-containerd|containerd|crio|cri-o|docker|libpod-payload|libpod|podman|nerdctl|kata|runsc|gvisor|isulad|youki|rkt|frakti)[-_:](.+)$/;

/** By prefix of the segment, or by name of a directory above. */
const RUNTIMES: Readonly<Record<string, string>> = {
  'cri-containerd': 'containerd',
  containerd: 'containerd',
  'k8s.io': 'containerd',
  nerdctl: 'containerd',
  crio: 'cri-o',
  'cri-o': 'cri-o',
  'crio-conmon': 'cri-o',
  docker: 'docker',
  moby: 'docker',
  ecs: 'docker',
  libpod: 'podman',
  'libpod-payload': 'podman',
  'libpod-conmon': 'podman',
  libpod_parent: 'podman',
  podman: 'podman',
  kata: 'kata',
  kata_overhead: 'kata',
  runsc: 'gvisor',
  gvisor: 'gvisor',
  isulad: 'isulad',
  youki: 'youki',
  rkt: 'rkt',
  frakti: 'frakti',
};

/** The runtime's daemon; shims of containerd and Docker live in its cgroup. */
const DAEMONS: Readonly<Record<string, string>> = {
  'containerd.service': 'containerd',
  'docker.service': 'docker',
  'cri-docker.service': 'docker',
  'crio.service': 'cri-o',
  'cri-o.service': 'cri-o',
  'snap.docker.dockerd.service': 'docker',
  'snap.microk8s.daemon-containerd.service': 'containerd',
  'podman.service': 'podman',
  // Distributions that carry containerd in their own service, with its shims.
  'k3s.service': 'containerd',
  'k3s-agent.service': 'containerd',
  'rke2-server.service': 'containerd',
  'rke2-agent.service': 'containerd',
  'k0scontroller.service': 'containerd',
  'k0sworker.service': 'containerd',
  'lxc.monitor': 'lxc',
  kata_overhead: 'kata',
};

const NOTHING: ContainerSegment = { id: null, runtime: null, infra: false };

/** The segment right below a pod, or the suffix of the colon form. */
export function containerInPod(segment: string | undefined): ContainerSegment {
  if (segment === undefined || segment.length > MAX_SEGMENT || NOT_A_CONTAINER.test(segment)) return NOTHING;
  const conmon = conmonAt(segment);
  if (conmon) return conmon;
  const hex = hex64At(segment);
  // The path of a bare id does not name its runtime; containerd is by far the most common.
  if (hex) return { ...hex, runtime: hex.runtime ?? 'containerd' };
  if (Object.hasOwn(DAEMONS, segment)) return { id: null, runtime: DAEMONS[segment]!, infra: true };
  const bare = segment.replace(/\.scope$/, '');
  const prefixed = PREFIX.exec(bare);
  if (prefixed) {
    const runtime = runtimeOf(prefixed[1]!);
    return HELPER.test(prefixed[2]!) ? { id: null, runtime, infra: true } : { id: prefixed[2]!, runtime, infra: false };
  }
  return SHORT_ID.test(bare) ? { id: bare, runtime: 'containerd', infra: false } : NOTHING;
}

/** The outermost container of a path outside pods: deeper ones belong to whatever runs inside. */
export function containerOutsidePods(segments: readonly string[]): ContainerSegment {
  let infra: ContainerSegment | null = null;
  for (let index = 0; index < segments.length; index++) {
    const found = containerAt(segments, index);
    // Below conmon is nothing but conmon; a daemon's unit may hold the containers too.
    if (found?.id || CONMON.test(segments[index]!)) return found ?? NOTHING;
    if (found?.infra) infra ??= found;
  }
  return infra ?? NOTHING;
}

function containerAt(segments: readonly string[], index: number): ContainerSegment | null {
  const segment = segments[index]!;
  if (segment.length > MAX_SEGMENT || NOT_A_CONTAINER.test(segment)) return null;
  const parent = segments[index - 1];
  const conmon = conmonAt(segment);
  if (conmon) return conmon;
  const hex = hex64At(segment);
  if (hex) {
    // Podman's pods with the cgroupfs manager: the directory above the containers has 64 digits too.
    const pod = parent === 'libpod_parent' && segment.length === 64;
    if (pod || segment.includes('libpod_pod_')) return null;
    return { ...hex, runtime: hex.runtime ?? runtimeAbove(segments, index) };
  }
  if (FARGATE.test(segment)) return container(segment, 'fargate');
  if (segment.startsWith('lxc.payload.') && segment.length > 12) return container(segment.slice(12), 'lxc');
  if ((parent === 'lxc' || parent === 'lxc.payload') && segment !== '..') return container(segment, 'lxc');
  if (segment.startsWith('lxc.monitor.')) return { id: null, runtime: 'lxc', infra: true };
  const nspawn = NSPAWN.exec(segment);
  if (nspawn) return container(unescapeUnit(nspawn[1]!), 'systemd-nspawn');
  const machine = MACHINE.exec(segment);
  if (machine) return container(unescapeUnit(machine[1]!), 'machined');
  const nomad = NOMAD.exec(segment);
  if (nomad) return container(unescapeUnit(nomad[1]!), 'nomad');
  if (parent === 'garden' && segment !== '..') return container(segment, 'garden');
  if (Object.hasOwn(DAEMONS, segment)) return { id: null, runtime: DAEMONS[segment]!, infra: true };
  // Quadlet's `--cgroups=split` puts conmon beside the payload.
  if (segment === 'runtime' && parent?.endsWith('.service')) return { id: null, runtime: 'podman', infra: true };
  // Talos keeps the shims of pods there.
  if (segment === 'runtime' && parent === 'podruntime') return { id: null, runtime: 'containerd', infra: true };
  return null;
}

function hex64At(segment: string): ContainerSegment | null {
  const match = HEX64.exec(segment.includes('\\x') ? unescapeUnit(segment) : segment);
  if (!match) return null;
  const [, prefix, id, suffix] = match;
  if (suffix!.endsWith('.service') && (!prefix || suffix !== '.service' || PODMAN_UNIT.test(prefix))) return null;
  return { id: id!, runtime: prefix ? runtimeOf(prefix) : null, infra: false };
}

function conmonAt(segment: string): ContainerSegment | null {
  const match = CONMON.exec(segment);
  return match && { id: null, runtime: runtimeOf(match[1] ?? 'libpod'), infra: true };
}

function container(id: string, runtime: string): ContainerSegment {
  return { id, runtime, infra: false };
}

/** `system.slice:cri-containerd` and `crio` alike; an unknown prefix is its own name. */
function runtimeOf(prefix: string): string | null {
  const last = prefix.split(':').pop()!;
  return Object.hasOwn(RUNTIMES, last) ? RUNTIMES[last]! : last || null;
}

function runtimeAbove(segments: readonly string[], index: number): string | null {
  for (let i = index - 1; i >= 0; i--) {
    if (Object.hasOwn(RUNTIMES, segments[i]!)) return RUNTIMES[segments[i]!]!;
  }
  return null;
}

/** systemd's `\x2d`, of any byte: letters outside ASCII are several. */
function unescapeUnit(name: string): string {
  return name.replace(/(?:\\x[0-9a-f]{2})+/gi, (escaped) => {
    const bytes = Uint8Array.from(escaped.match(/[0-9a-f]{2}/gi)!, (hex) => Number.parseInt(hex, 16));
    return new TextDecoder().decode(bytes);
  });
}
