import { RUNG_NAMES, type FleetNode } from '@perfleet/api-contract';

/** One pill: the node's mode and rung, or for a fleet how many are well. Trouble is what it says first. */
export function NodeStatus({
  nodes,
  error,
  onOpen,
}: {
  nodes: readonly FleetNode[] | null;
  error: string | null;
  onOpen: () => void;
}) {
  const { level, text, title } = describe(nodes, error);
  return (
    <button className={`pill ${level}`} onClick={onOpen} title={title} data-testid="node-status">
      <span className="dot" /> {text}
    </button>
  );
}

function describe(
  nodes: readonly FleetNode[] | null,
  error: string | null,
): { level: string; text: string; title: string } {
  if (error) return { level: 'bad', text: error, title: error };
  if (nodes === null) return { level: '', text: 'connecting', title: '' };
  if (nodes.length === 0) return { level: 'warn', text: 'no node has reported yet', title: '' };
  const [first] = nodes;
  if (nodes.length === 1 && first) {
    const level = !first.alive || first.rung === 4 ? 'bad' : first.fallback || first.rung > 1 ? 'warn' : 'good';
    const parts = [first.node, first.mode, `rung ${first.rung}: ${RUNG_NAMES[first.rung]}`, `${first.rateHz} Hz`];
    if (first.lost > 0 && first.taken > 0) parts.push(`${((100 * first.lost) / first.taken).toFixed(2)} % lost`);
    if (!first.alive) parts.push('silent');
    return { level, text: parts.join(' · '), title: [first.modeReason, first.rungReason].filter(Boolean).join('\n') };
  }
  const silent = nodes.filter((n) => !n.alive).length;
  const fallback = nodes.filter((n) => n.fallback).length;
  const degraded = nodes.filter((n) => n.rung > n.rungWanted).length;
  const parts = [
    `${nodes.length.toLocaleString('en')} nodes`,
    silent && `${silent} silent`,
    fallback && `${fallback} in fallback`,
    degraded && `${degraded} below eBPF`,
  ].filter(Boolean);
  return { level: silent ? 'bad' : fallback || degraded ? 'warn' : 'good', text: parts.join(' · '), title: '' };
}
