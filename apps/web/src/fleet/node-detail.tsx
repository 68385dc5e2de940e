import { RUNG_NAMES, type FleetNode, type NodeSummary, type NodeTimelineResponse } from '@perfleet/api-contract';
import { useState } from 'react';
import { api, dataOf } from '../api.ts';
import { compact, formatAgo } from '../format.ts';
import { ErrorLine } from '../panels/empty-state.tsx';
import { usePolled } from '../use-polled.ts';
import { NodeLanes } from './node-lanes.tsx';

const RANGES: ReadonlyArray<readonly [string, string]> = [
  ['60', 'last hour'],
  ['360', 'last 6 hours'],
  ['1440', 'last day'],
  ['10080', 'last 7 days'],
];
const REFRESH_MS = 10_000;
const LISTED = 100;

/** One node: what it is now, and what happened to it. */
export function NodeDetail({ node, onClose }: { node: FleetNode; onClose: () => void }) {
  const [minutes, setMinutes] = useState('360');
  const path = { id: node.node };
  const summary = usePolled(node.node, REFRESH_MS, (signal) =>
    dataOf(api.GET('/api/v1/nodes/{id}', { params: { path }, signal })),
  );
  const line = usePolled(`${node.node} ${minutes}`, REFRESH_MS, (signal) =>
    dataOf(
      api.GET('/api/v1/nodes/{id}/timeline', {
        params: { path, query: { from: `now-${minutes}m`, until: 'now' } },
        signal,
      }),
    ),
  );
  return (
    <section className="card node-detail" aria-label={`Node ${node.node}`}>
      <div className="card-head">
        <strong>{node.node}</strong>
        {node.cluster && <span className="muted">{node.cluster}</span>}
        <span className={`pill ${node.alive ? 'good' : 'bad'}`}>
          {node.alive ? 'heartbeat' : `silent, ${formatAgo(node.lastSeen, Date.now())}`}
        </span>
        <span className={`pill ${node.fallback ? 'warn' : 'good'}`}>
          {node.mode}
          {node.fallback && ' (fallback)'}
        </span>
        <span className={`pill ${node.rung === 1 ? 'good' : node.rung === 4 ? 'bad' : 'warn'}`}>
          rung {node.rung}: {RUNG_NAMES[node.rung]}
        </span>
        <label className="muted detail-range">
          <select aria-label="time of the node" value={minutes} onChange={(event) => setMinutes(event.target.value)}>
            {RANGES.map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        </label>
        <button className="link" onClick={onClose}>
          close
        </button>
      </div>
      {summary.data && <Facts summary={summary.data} />}
      <ErrorLine error={line.error ?? summary.error} />
      {line.data && <NodeLanes line={line.data} />}
      {line.data && <Events line={line.data} />}
    </section>
  );
}

function Facts({ summary }: { summary: NodeSummary }) {
  const lost = Object.entries(summary.lost).filter(([reason, count]) => count > 0 && reason !== 'filtered');
  const facts: Array<readonly [string, string]> = [
    ['mode', summary.modeReason],
    ['pod roots', summary.podRoots.join(', ')],
    ['kubelet', summary.kubeletMismatches.join('; ')],
    ['sampler', summary.rungReason],
    ['last exit', summary.lastExit],
    [
      'machine',
      `${summary.cpus} CPUs · kernel ${summary.kernel} · cgroup ${summary.cgroupVersion} · ${summary.rateHz} Hz`,
    ],
    ['configuration', configurationText(summary)],
    ['refused', summary.configError],
    ['governor', governorText(summary)],
    ['samples', `${compact(summary.taken)} taken, ${compact(summary.published)} published since the collector started`],
    ['lost', lost.map(([reason, count]) => `${compact(count)} ${reason}`).join(', ')],
    ['left out', summary.lost['filtered'] ? `${compact(summary.lost['filtered'])} by filters or opt-out` : ''],
  ];
  return (
    <dl className="facts">
      {facts
        .filter(([, text]) => text !== '')
        .map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
    </dl>
  );
}

function configurationText({ configVersion, rateHz, rateWanted }: NodeSummary): string {
  const version = configVersion > 0 ? `version ${configVersion}` : "the collector's own";
  return `${version} · ${rateHz < rateWanted ? `${rateHz} of ${rateWanted} Hz` : `${rateHz} Hz`}`;
}

function governorText({ governor, governorReason, cpuPercent, memoryMib }: NodeSummary): string {
  if (governor === 'off') return '';
  const cost = `CPU ${cpuPercent.toFixed(1)} % of one core, memory ${memoryMib} MiB`;
  return [governor, governorReason, `cost: ${cost}`].filter(Boolean).join(' · ');
}

function Events({ line }: { line: NodeTimelineResponse }) {
  const events = [...line.events].reverse();
  if (events.length === 0) return <p className="muted">Nothing happened in this time.</p>;
  return (
    <div className="scroll events">
      <table className="rows">
        <tbody>
          {events.slice(0, LISTED).map((event, i) => (
            <tr key={`${event.time} ${i}`}>
              <td className="mono">{new Date(event.time).toLocaleString()}</td>
              <td>
                <span className={`pill ${levelOf(event.kind)}`}>{event.kind}</span>
              </td>
              <td className="wide">{event.message}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {(line.truncated || events.length > LISTED) && <p className="muted">older events are in the view node_events</p>}
    </div>
  );
}

export function levelOf(kind: string): string {
  if (['sampler-crashed', 'unclean-exit', 'config-refused'].includes(kind)) return 'bad';
  return ['mode-changed', 'rung-changed', 'governor-changed'].includes(kind) ? 'warn' : '';
}
