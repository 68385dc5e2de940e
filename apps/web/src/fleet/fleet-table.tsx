import { RUNG_NAMES, type FleetNode } from '@perfleet/api-contract';
import { memo, useMemo } from 'react';
import { compact, formatAgo } from '../format.ts';

const ROWS = 50;

/** The shown nodes as rows, troubled ones first: what an operator needs to know about a node is on its row. */
export const FleetTable = memo(function FleetTable({
  nodes,
  onPick,
}: {
  nodes: readonly FleetNode[];
  onPick: (node: string) => void;
}) {
  const rows = useMemo(() => [...nodes].sort(byTrouble).slice(0, ROWS), [nodes]);
  return (
    <section className="card" aria-label="Node list">
      <table className="rows compact">
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
                <button className="link" onClick={() => onPick(n.node)}>
                  <strong>{n.node}</strong>
                </button>{' '}
                {n.cluster && <span className="muted">{n.cluster}</span>}
              </td>
              <td>
                <span className={`pill ${n.alive ? 'good' : 'bad'}`}>
                  {n.alive ? 'alive' : `silent, ${formatAgo(n.lastSeen, Date.now())}`}
                </span>
              </td>
              <td className="wrap">
                <span className={`pill ${n.fallback ? 'warn' : 'good'}`}>
                  {n.mode}
                  {n.fallback && ' (fallback)'}
                </span>
                <div className="muted">{n.modeReason}</div>
              </td>
              <td className="wrap">
                <span className={`pill ${n.rung === 1 ? 'good' : n.rung === 4 ? 'bad' : 'warn'}`}>
                  rung {n.rung}: {RUNG_NAMES[n.rung]}
                </span>
                <div className="muted">{n.rungReason}</div>
              </td>
              <td>{n.rateHz < n.rateWanted ? `${n.rateHz} of ${n.rateWanted} Hz` : `${n.rateHz} Hz`}</td>
              <td>{compact(n.taken)}</td>
              <td>
                {n.lost > 0 && n.taken > 0 ? `${compact(n.lost)} (${((100 * n.lost) / n.taken).toFixed(2)} %)` : '0'}
              </td>
              <td>{n.kernel}</td>
              <td>{n.cgroupVersion}</td>
              <td title={n.crash}>{n.restarts}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {nodes.length > ROWS && (
        <p className="muted">
          the {ROWS} nodes with most trouble of {nodes.length.toLocaleString('en')}; filter to see others
        </p>
      )}
    </section>
  );
});

function byTrouble(a: FleetNode, b: FleetNode): number {
  return trouble(b) - trouble(a) || (a.node < b.node ? -1 : 1);
}

function trouble(n: FleetNode): number {
  return (n.alive ? 0 : 8) + (n.rung === 4 ? 4 : 0) + (n.fallback ? 2 : 0) + (n.rung > 1 ? 1 : 0);
}
