import type { NodeSummary } from '@perfleet/api-contract';
import { compact, formatAgo } from '../format.ts';
import { EmptyState, ErrorLine } from './empty-state.tsx';
import { RUNGS } from './node-status.tsx';

/** The fleet, troubled nodes first: what an operator needs to know about a node is on its row. */
export function NodesPanel({ nodes, error }: { nodes: readonly NodeSummary[] | null; error: string | null }) {
  const rows = [...(nodes ?? [])].sort((a, b) => trouble(b) - trouble(a) || a.node.localeCompare(b.node));
  return (
    <section className="card" aria-label="Nodes">
      <ErrorLine error={error} />
      {rows.length === 0 ? (
        !error && <EmptyState waiting={nodes === null} />
      ) : (
        <table className="rows">
          <thead>
            <tr>
              {['node', 'heartbeat', 'mode', 'sampler', 'rate', 'taken', 'lost', 'kernel', 'cgroups', 'restarts'].map(
                (title) => (
                  <th key={title}>{title}</th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {rows.map((n) => (
              <tr key={`${n.cluster}/${n.node}`}>
                <td>
                  <strong>{n.node}</strong> {n.cluster && <span className="muted">{n.cluster}</span>}
                </td>
                <td>
                  <span className={`pill ${n.alive ? 'good' : 'bad'}`}>
                    {n.alive ? 'alive' : `silent, ${formatAgo(n.lastSeen, Date.now())}`}
                  </span>
                </td>
                <td>
                  <span className={`pill ${n.fallback ? 'warn' : 'good'}`}>
                    {n.mode}
                    {n.fallback && ' (fallback)'}
                  </span>
                  <div className="muted">{n.modeReason}</div>
                </td>
                <td>
                  <span className={`pill ${n.rung === 1 ? 'good' : n.rung === 4 ? 'bad' : 'warn'}`}>
                    rung {n.rung}: {RUNGS[n.rung]}
                  </span>
                  <div className="muted">{n.rungReason}</div>
                </td>
                <td>{n.rateHz} Hz</td>
                <td>{compact(n.taken)}</td>
                <td>{describeLost(n.lost)}</td>
                <td>{n.kernel}</td>
                <td>{n.cgroupVersion}</td>
                <td title={n.lastExit}>{n.restarts}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function trouble(n: NodeSummary): number {
  return (n.alive ? 0 : 8) + (n.rung === 4 ? 4 : 0) + (n.fallback ? 2 : 0) + (n.rung > 1 ? 1 : 0);
}

function describeLost(lost: Record<string, number>): string {
  const reasons = Object.entries(lost).filter(([, count]) => count > 0);
  return reasons.length === 0 ? '0' : reasons.map(([reason, count]) => `${compact(count)} ${reason}`).join(', ');
}
