import type { Alert, AlertsResponse } from '@perfleet/api-contract';
import { ALERT_KINDS } from '@perfleet/api-contract';
import { useState } from 'react';
import { api, dataOf } from '../api.ts';
import { formatAgo } from '../format.ts';
import type { Polled } from '../use-polled.ts';
import { usePolled } from '../use-polled.ts';
import { ErrorLine } from './empty-state.tsx';

const REFRESH_MS = 10_000;
const ROWS = 200;
const NAME_KEY = 'perfleet-name';
const SILENCES: ReadonlyArray<readonly [number, string]> = [
  [60, '1 h'],
  [480, '8 h'],
  [1440, '1 d'],
  [10_080, '7 d'],
];

interface Props {
  readonly alerts: Polled<AlertsResponse>;
  readonly onNode: (node: string) => void;
  readonly reload: () => void;
}

/** What fires, what is about to, what lately ended; somebody takes it on or silences it. */
export function AlertsPanel({ alerts, onNode, reload }: Props) {
  const [text, setText] = useState('');
  const [kind, setKind] = useState('');
  const [name, setName] = useState(() => localStorage.getItem(NAME_KEY) ?? '');
  const [problem, setProblem] = useState<string | null>(null);
  const [version, setVersion] = useState(0);
  const silences = usePolled(`silences ${version}`, REFRESH_MS, (signal) =>
    dataOf(api.GET('/api/v1/silences', { signal })),
  );
  const act = async (change: () => Promise<unknown>) => {
    setProblem(null);
    try {
      await change();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    reload();
    setVersion((n) => n + 1);
  };
  const all = alerts.data?.alerts ?? [];
  const needle = text.toLowerCase();
  const shown = all
    .filter(
      (a) => (kind === '' || a.kind === kind) && `${a.node} ${a.cluster} ${a.reason}`.toLowerCase().includes(needle),
    )
    .sort((a, b) => weight(b) - weight(a) || b.since - a.since);
  const count = (state: Alert['state']) => all.filter((a) => a.state === state).length;
  return (
    <>
      <section className="card" aria-label="Alerts">
        <div className="card-head">
          <strong data-testid="alert-count">
            {count('firing')} firing · {count('pending')} pending · {count('resolved')} resolved in the last hour
          </strong>
          {(alerts.data?.unknown.length ?? 0) > 0 && (
            <span className="pill warn">
              not judged while the profile store is away: {alerts.data!.unknown.join(', ')}
            </span>
          )}
        </div>
        <div className="filters">
          <label className="search">
            search
            <input
              type="search"
              placeholder="node, cluster or reason"
              value={text}
              onChange={(e) => setText(e.target.value)}
            />
          </label>
          <label>
            kind
            <select aria-label="kind" value={kind} onChange={(e) => setKind(e.target.value)}>
              <option value="">all</option>
              {ALERT_KINDS.map((k) => (
                <option key={k}>{k}</option>
              ))}
            </select>
          </label>
          <label>
            your name
            <input
              value={name}
              placeholder="for acknowledgements"
              onChange={(e) => {
                setName(e.target.value);
                localStorage.setItem(NAME_KEY, e.target.value);
              }}
            />
          </label>
        </div>
        <ErrorLine error={problem ?? alerts.error ?? silences.error} />
        {shown.length === 0 ? (
          <p className="empty">
            {alerts.data === null
              ? 'Loading …'
              : all.length === 0
                ? 'All is well: no alert.'
                : 'No alert is like that.'}
          </p>
        ) : (
          <table className="rows alerts">
            <thead>
              <tr>
                {['state', 'kind', 'node', 'since', 'reason', ''].map((title) => (
                  <th key={title}>{title}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {shown.slice(0, ROWS).map((alert) => (
                <AlertRow key={alert.id} alert={alert} name={name} act={act} onNode={onNode} />
              ))}
            </tbody>
          </table>
        )}
        {shown.length > ROWS && (
          <p className="muted">
            the first {ROWS} of {shown.length}; filter to see others
          </p>
        )}
      </section>
      {(silences.data?.silences.length ?? 0) > 0 && (
        <section className="card" aria-label="Silences">
          <div className="card-head">
            <strong>Silences</strong>
          </div>
          <table className="rows">
            <tbody>
              {silences.data!.silences.map((s) => (
                <tr key={s.id}>
                  <td>{s.kind || 'every kind'}</td>
                  <td>{s.node || 'every node'}</td>
                  <td>{s.cluster}</td>
                  <td>until {new Date(s.until).toLocaleString()}</td>
                  <td className="muted">{[s.by, s.comment].filter(Boolean).join(': ')}</td>
                  <td className="number">
                    <button
                      className="link"
                      onClick={() =>
                        void act(() => dataOf(api.DELETE('/api/v1/silences/{id}', { params: { path: { id: s.id } } })))
                      }
                    >
                      end it
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}

function AlertRow({
  alert,
  name,
  act,
  onNode,
}: {
  alert: Alert;
  name: string;
  act: (change: () => Promise<unknown>) => Promise<void>;
  onNode: (node: string) => void;
}) {
  const { id, kind, node, cluster, state, severity, since, reason, acknowledged, silenced, resolvedAt } = alert;
  const level = state === 'firing' ? (severity === 'critical' ? 'bad' : 'warn') : state === 'resolved' ? 'good' : '';
  const quiet = acknowledged !== null || silenced !== null || state !== 'firing';
  return (
    <tr className={quiet ? 'quiet' : ''}>
      <td>
        <span className={`pill ${level}`}>
          <span className="dot" /> {state}
        </span>
      </td>
      <td>
        <strong>{kind}</strong>
      </td>
      <td>
        <button className="link" onClick={() => onNode(node)}>
          {node}
        </button>{' '}
        <span className="muted">{cluster}</span>
      </td>
      <td title={new Date(since).toLocaleString()}>
        {resolvedAt === null ? formatAgo(since, Date.now()) : `ended ${formatAgo(resolvedAt, Date.now())}`}
      </td>
      <td className="wide">
        {reason}
        {acknowledged && (
          <div className="muted">
            acknowledged{acknowledged.by && ` by ${acknowledged.by}`} {formatAgo(acknowledged.at, Date.now())}
            {acknowledged.comment && `: ${acknowledged.comment}`}
          </div>
        )}
        {silenced && (
          <div className="muted">
            silenced until {new Date(silenced.until).toLocaleString()}
            {silenced.by && ` by ${silenced.by}`}
            {silenced.comment && `: ${silenced.comment}`}
          </div>
        )}
      </td>
      <td className="actions">
        {state !== 'resolved' && (
          <>
            {acknowledged ? (
              <button
                className="link"
                onClick={() =>
                  void act(() => dataOf(api.DELETE('/api/v1/alerts/{id}/acknowledge', { params: { path: { id } } })))
                }
              >
                take back
              </button>
            ) : (
              <button
                className="link"
                onClick={() =>
                  void act(() =>
                    dataOf(
                      api.POST('/api/v1/alerts/{id}/acknowledge', { params: { path: { id } }, body: { by: name } }),
                    ),
                  )
                }
              >
                acknowledge
              </button>
            )}
            {!silenced && (
              <select
                aria-label={`silence ${kind} of ${node}`}
                value=""
                onChange={(event) =>
                  void act(() =>
                    dataOf(
                      api.POST('/api/v1/silences', {
                        body: { kind, node, cluster, minutes: Number(event.target.value), by: name },
                      }),
                    ),
                  )
                }
              >
                <option value="">silence …</option>
                {SILENCES.map(([minutes, text]) => (
                  <option key={minutes} value={minutes}>
                    for {text}
                  </option>
                ))}
              </select>
            )}
          </>
        )}
      </td>
    </tr>
  );
}

/** What needs somebody stands first. */
function weight({ state, severity, acknowledged, silenced }: Alert): number {
  if (state === 'resolved') return 0;
  return (state === 'firing' ? 8 : 1) + (severity === 'critical' ? 4 : 0) - (acknowledged || silenced ? 6 : 0);
}
