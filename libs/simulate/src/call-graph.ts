import { namedFrameId, nativeFrameId, stackId } from '@perfleet/ids';
import { Random } from './random.ts';

export interface Binary {
  readonly path: string;
  /** 40 hexadecimal digits. */
  readonly gnuBuildId: string;
}

/** A call site: native code at an address, or a kernel function that the node names. */
export type CallSite =
  | { readonly binary: Binary; readonly address: bigint; readonly function: string; readonly file: string }
  | { readonly binary: null; readonly function: string };

/** The stacks of one service. Stack `i` is `frames[offsets[i] .. offsets[i + 1])`, root first: indices into `sites`. */
export interface CallGraph {
  readonly sites: readonly CallSite[];
  readonly frameIds: BigUint64Array;
  readonly offsets: Uint32Array;
  readonly frames: Uint32Array;
  readonly stackIds: BigUint64Array;
}

const MIN_DEPTH = 10;
const MAX_DEPTH = 60;
const VERBS = ['handle', 'encode', 'parse', 'lookup', 'merge', 'validate', 'flush', 'schedule', 'compute', 'visit'];
const NOUNS = ['Request', 'Session', 'Index', 'Cart', 'Segment', 'Quota', 'Record', 'Token', 'Batch', 'Route'];
const KERNEL = [
  'entry_SYSCALL_64_after_hwframe',
  'do_syscall_64',
  'ksys_read',
  'vfs_read',
  'sock_read_iter',
  'tcp_recvmsg',
  'copy_user',
];

/** Shared by every service, as libraries of one image are. */
export function sharedLibraries(seed: number): CallSite[] {
  return [
    '/usr/lib/x86_64-linux-gnu/libc.so.6',
    '/usr/lib/x86_64-linux-gnu/libstdc++.so.6',
    '/usr/lib/x86_64-linux-gnu/libssl.so.3',
  ].flatMap((path, i) => callSites(new Random(seed, 1000 + i), path, 'lib', 400));
}

/**
 * Stacks that share callers as real ones do: each keeps most of an earlier stack and goes its own way for a few frames
 * from there. Depth 10 to 60, 28 on average; one in eight ends in the kernel.
 */
export function makeCallGraph(seed: number, service: string, shared: readonly CallSite[], stacks: number): CallGraph {
  const random = new Random(seed);
  const own = callSites(random, binaryOf(service), service.replaceAll('-', '_'), 1500);
  const kernel = KERNEL.map((name): CallSite => ({ binary: null, function: name }));
  const sites = [...own, ...shared, ...kernel];
  const kernelAt = sites.length - kernel.length;
  const known = new Set<bigint>();
  const paths: number[][] = [];
  const frameIds = BigUint64Array.from(sites, frameIdOf);
  const stackIds: bigint[] = [];
  while (paths.length < stacks) {
    const depth = MIN_DEPTH + Math.round((MAX_DEPTH - MIN_DEPTH) * random.fraction() ** 1.8);
    const parent =
      paths.length === 0 ? [0, 1, 2, 3] : paths[random.below(paths.length)]!.filter((site) => site < kernelAt);
    const kept = Math.max(4, Math.min(parent.length, depth) - 1 - random.below(6));
    const path = parent.slice(0, kept);
    while (path.length < depth) {
      const library = path.length > 6 && random.below(4) === 0;
      path.push(library ? own.length + random.below(shared.length) : random.below(own.length));
    }
    if (random.below(8) === 0) for (let i = 0; i < 3 + random.below(4); i++) path.push(kernelAt + i);
    const id = stackId(path.map((site) => frameIds[site]!));
    if (known.has(id)) continue;
    known.add(id);
    paths.push(path);
    stackIds.push(id);
  }
  const offsets = new Uint32Array(stacks + 1);
  paths.forEach((path, i) => (offsets[i + 1] = offsets[i]! + path.length));
  return { sites, frameIds, offsets, frames: Uint32Array.from(paths.flat()), stackIds: BigUint64Array.from(stackIds) };
}

/** The same program from another build: its own binary has another id, so its frames and all stacks through them are new. */
export function redeploy(graph: CallGraph, service: string, generation: number): CallGraph {
  const path = binaryOf(service);
  const sites = graph.sites.map((site): CallSite => {
    if (site.binary === null || site.binary.path !== path) return site;
    const gnuBuildId = generation.toString(16).padStart(8, '0') + site.binary.gnuBuildId.slice(8);
    return { ...site, binary: { path, gnuBuildId } };
  });
  const frameIds = BigUint64Array.from(sites, frameIdOf);
  const stackIds = graph.stackIds.map((_, i) =>
    stackId(Array.from(graph.frames.subarray(graph.offsets[i], graph.offsets[i + 1]), (site) => frameIds[site]!)),
  );
  return { ...graph, sites, frameIds, stackIds };
}

const binaryOf = (service: string) => `/opt/${service}/bin/${service}`;

/** Call sites of a binary: about three to a function. */
function callSites(random: Random, path: string, namespace: string, count: number): CallSite[] {
  const hex = () => random.next().toString(16).padStart(8, '0');
  const binary: Binary = { path, gnuBuildId: hex() + hex() + hex() + hex() + hex() };
  return Array.from({ length: count }, (_, i) => {
    const fn = Math.floor(i / 3);
    const name = `${VERBS[fn % VERBS.length]}${NOUNS[Math.floor(fn / VERBS.length) % NOUNS.length]}${fn}`;
    return {
      binary,
      address: BigInt(0x1000 + fn * 256 + (i % 3) * 40),
      function: `${namespace}::${name}(std::string const&, unsigned long)`,
      file: `/src/${namespace}/${NOUNS[fn % NOUNS.length]!.toLowerCase()}.cc`,
    };
  });
}

function frameIdOf(site: CallSite): bigint {
  return site.binary === null
    ? namedFrameId('kernel', site.function, '', 0)
    : nativeFrameId('native', `gnu:${site.binary.gnuBuildId}`, site.address);
}
