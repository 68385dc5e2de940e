import type { FleetNode } from './fleet.ts';

export interface Cause {
  readonly kind: 'silent' | 'fallback' | 'rung' | 'crash' | 'config' | 'budget';
  /** The reason without what differs from node to node. */
  readonly cause: string;
  readonly nodes: readonly string[];
}

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

/** What is wrong with nodes, by cause, the most frequent first. A node may be in several. */
export function groupByCause(nodes: readonly FleetNode[]): Cause[] {
  const groups = new Map<string, { kind: Cause['kind']; cause: string; nodes: string[] }>();
  const known = new Map<string, string>();
  const add = (kind: Cause['kind'], node: string, reason: string, prefix = '') => {
    let cause = known.get(reason);
    if (cause === undefined) known.set(reason, (cause = causeOf(reason)));
    const key = `${kind}\0${prefix}${cause}`;
    const group = groups.get(key);
    if (group) group.nodes.push(node);
    else groups.set(key, { kind, cause: prefix + cause, nodes: [node] });
  };
  for (const n of nodes) {
    if (!n.alive) add('silent', n.node, 'no heartbeat');
    if (n.fallback) add('fallback', n.node, n.modeReason);
    if (n.rung > n.rungWanted) add('rung', n.node, n.rungReason, `rung ${n.rung}: `);
    if (n.configError !== '') add('config', n.node, n.configError);
    if (n.governor === 'lowered') add('budget', n.node, 'the governor lowers the rate or the rung');
    if (n.governor === 'exhausted') add('budget', n.node, 'over budget with nothing left to lower');
    if (n.restarts > 0 && n.crash !== '') add('crash', n.node, n.crash);
  }
  return [...groups.values()].sort((a, b) => b.nodes.length - a.nodes.length || (a.cause < b.cause ? -1 : 1));
}
