import type { FleetNode } from './fleet.ts';
import type { Cause } from './gen/api.ts';

const UUID = /[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}/gi;
/** Ids of containers, epochs, build ids: long runs of hexadecimal digits with at least one digit and one letter, or 32 digits. */
const HEX = /(?<![0-9a-z])(?=[0-9a-f]*[0-9])(?:0x)?[0-9a-f]{12,}(?![0-9a-z])/gi;
/** A number that stands alone, or before a unit; not a part of a version or a name. */
const NUMBER = /(?<![\w.-])\d+(?:\.\d+)?(?=(?:ms|s|min|h|kB|MB|Hz)?(?!\.?[\w-]))/g;

/**
 * A reason without what makes it one node's: pod uids, container ids and addresses become `*`, numbers `N`. Names, paths, error
 * codes and versions (v1, cgroup2, SIGSEGV) stay: they are the cause. Linear in the text, which is bounded.
 */
export function causeOf(reason: string): string {
  return reason.slice(0, 4000).replace(UUID, '*').replace(HEX, '*').replace(NUMBER, 'N').replace(/\s+/g, ' ').trim();
}

/** What is wrong with a node; each is a group of `groupByCause`. @param shorten `causeOf`, or one that remembers */
export function causesOf(node: FleetNode, shorten = causeOf): Array<Pick<Cause, 'kind' | 'cause'>> {
  const found: Array<Pick<Cause, 'kind' | 'cause'>> = [];
  const add = (kind: Cause['kind'], cause: string) => found.push({ kind, cause });
  if (!node.alive) add('silent', 'no heartbeat');
  if (node.fallback) add('fallback', shorten(node.modeReason));
  if (node.rung > node.rungWanted) add('rung', `rung ${node.rung}: ${shorten(node.rungReason)}`);
  if (node.configError !== '') add('config', shorten(node.configError));
  // Roots and settings are the cause: they are not shortened.
  for (const mismatch of node.kubeletMismatches.split('; ').filter(Boolean)) add('kubelet', mismatch);
  if (node.governor === 'lowered') add('budget', 'the governor lowers the rate or the rung');
  if (node.governor === 'exhausted') add('budget', 'over budget with nothing left to lower');
  if (node.restarts > 0 && node.crash !== '') add('crash', shorten(node.crash));
  return found;
}

/** What is wrong with nodes, by cause, the most frequent first. A node may be in several. */
export function groupByCause(nodes: readonly FleetNode[]): Cause[] {
  const groups = new Map<string, { kind: Cause['kind']; cause: string; nodes: string[] }>();
  const known = new Map<string, string>();
  const shorten = (reason: string) => {
    let cause = known.get(reason);
    if (cause === undefined) known.set(reason, (cause = causeOf(reason)));
    return cause;
  };
  for (const node of nodes) {
    for (const { kind, cause } of causesOf(node, shorten)) {
      const key = `${kind}\0${cause}`;
      const group = groups.get(key);
      if (group) group.nodes.push(node.node);
      else groups.set(key, { kind, cause, nodes: [node.node] });
    }
  }
  return [...groups.values()].sort((a, b) => b.nodes.length - a.nodes.length || (a.cause < b.cause ? -1 : 1));
}
