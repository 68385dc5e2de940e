import type { Cause, FleetNode } from '@perfleet/api-contract';
import { FLEET_MODES, groupByCause, RUNG_NAMES } from '@perfleet/api-contract';
import { useCallback, useMemo, useState } from 'react';
import { EmptyState, ErrorLine } from '../panels/empty-state.tsx';
import type { ViewState } from '../state.ts';
import { causeKey, filterFleet, type FleetFilter } from './filter.ts';
import { FleetCanvas } from './fleet-canvas.tsx';
import { FleetTable } from './fleet-table.tsx';
import { CLASS_COLORS, CLASS_NAMES, CLASSES, classOf, RUNG_COLOR } from './node-colors.ts';
import { NodeDetail } from './node-detail.tsx';

interface Props {
  readonly nodes: readonly FleetNode[] | null;
  readonly error: string | null;
  readonly state: ViewState;
  readonly change: (partial: Partial<ViewState>) => void;
}

/** The fleet at a glance, what is wrong with it by cause, and one node in detail. */
export function FleetPage({ nodes, error, state, change }: Props) {
  const [cause, setCause] = useState('');
  const filter: FleetFilter = {
    ...{ text: state.fleetText, mode: state.fleetMode, rung: state.fleetRung, alive: state.fleetAlive, cause },
  };
  const shown = useMemo(
    () => filterFleet(nodes ?? [], filter),
    [nodes, filter.text, filter.mode, filter.rung, filter.alive, filter.cause],
  );
  const causes = useMemo(() => groupByCause(nodes ?? []), [nodes]);
  const picked = nodes?.find((node) => node.node === state.picked) ?? null;
  const pick = useCallback((node: string) => change({ picked: node }), [change]);
  return (
    <>
      <section className="card" aria-label="Nodes">
        <ErrorLine error={error} />
        {nodes === null || nodes.length === 0 ? (
          !error && <EmptyState waiting={nodes === null} />
        ) : (
          <>
            <FleetFilters nodes={nodes} shown={shown.length} state={state} change={change} />
            {shown.length === 0 ? (
              <p className="empty">No node is like that.</p>
            ) : (
              <FleetCanvas nodes={shown} picked={state.picked} onPick={pick} />
            )}
          </>
        )}
      </section>
      {picked && <NodeDetail key={picked.node} node={picked} onClose={() => change({ picked: '' })} />}
      {causes.length > 0 && <Causes causes={causes} active={cause} onPick={setCause} />}
      {shown.length > 0 && <FleetTable nodes={shown} onPick={pick} />}
    </>
  );
}

function FleetFilters({
  nodes,
  shown,
  state,
  change,
}: {
  nodes: readonly FleetNode[];
  shown: number;
  state: ViewState;
  change: Props['change'];
}) {
  const counts = useMemo(() => {
    const byClass = new Map<string, number>();
    for (const node of nodes) byClass.set(classOf(node), (byClass.get(classOf(node)) ?? 0) + 1);
    return byClass;
  }, [nodes]);
  const degraded = useMemo(() => nodes.filter((n) => n.alive && n.rung > 1 && n.rung < 4).length, [nodes]);
  return (
    <>
      <div className="card-head">
        <strong data-testid="fleet-count">
          {shown === nodes.length
            ? `${shown.toLocaleString('en')} ${shown === 1 ? 'node' : 'nodes'}`
            : `${shown.toLocaleString('en')} of ${nodes.length.toLocaleString('en')} nodes`}
        </strong>
        <span className="legend">
          {CLASSES.filter((name) => counts.has(name)).map((name) => (
            <button
              key={name}
              aria-pressed={state.fleetMode === name}
              onClick={() => change({ fleetMode: state.fleetMode === name ? '' : name })}
            >
              <i
                className={name === 'silent' ? 'hollow' : ''}
                style={name === 'silent' ? { borderColor: CLASS_COLORS[name] } : { background: CLASS_COLORS[name] }}
              />{' '}
              {CLASS_NAMES[name]} <b>{counts.get(name)!.toLocaleString('en')}</b>
            </button>
          ))}
          {degraded > 0 && (
            <span title="the band at the foot of a cell: the lower the rung, the higher the band">
              <i style={{ background: RUNG_COLOR }} /> below eBPF <b>{degraded.toLocaleString('en')}</b>
            </span>
          )}
        </span>
      </div>
      <div className="filters">
        <label className="search">
          nodes
          <input
            type="search"
            placeholder="name, cluster, kernel or reason"
            value={state.fleetText}
            onChange={(event) => change({ fleetText: event.target.value })}
          />
        </label>
        <Choice
          label="mode"
          value={state.fleetMode}
          options={[...FLEET_MODES.map((mode) => [mode, mode] as const), ['fallback', 'in fallback']]}
          onChange={(fleetMode) => change({ fleetMode })}
        />
        <Choice
          label="rung"
          value={state.fleetRung}
          options={[1, 2, 3, 4].map((rung) => [String(rung), `${rung}: ${RUNG_NAMES[rung]}`] as const)}
          onChange={(fleetRung) => change({ fleetRung })}
        />
        <Choice
          label="heartbeat"
          value={state.fleetAlive}
          options={[
            ['alive', 'alive nodes'],
            ['silent', 'silent nodes'],
          ]}
          onChange={(fleetAlive) => change({ fleetAlive })}
        />
      </div>
    </>
  );
}

function Choice({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: string;
  options: ReadonlyArray<readonly [string, string]>;
  onChange: (value: string) => void;
}) {
  const listed =
    value === '' || options.some(([key]) => key === value) ? options : [...options, [value, value] as const];
  return (
    <label>
      {label}
      <select aria-label={label} value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">all</option>
        {listed.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

const CAUSE_LEVELS: Readonly<Record<Cause['kind'], string>> = {
  silent: 'bad',
  fallback: 'warn',
  rung: 'warn',
  crash: 'bad',
  config: 'bad',
  kubelet: 'warn',
  budget: 'warn',
};

function Causes({
  causes,
  active,
  onPick,
}: {
  causes: readonly Cause[];
  active: string;
  onPick: (key: string) => void;
}) {
  const most = causes[0]?.nodes.length ?? 1;
  return (
    <section className="card" aria-label="Causes">
      <div className="card-head">
        <strong>What is wrong, by cause</strong>
        {active !== '' && (
          <button className="link" onClick={() => onPick('')}>
            show all nodes again
          </button>
        )}
      </div>
      <ul className="causes">
        {causes.slice(0, 30).map(({ kind, cause, nodes }) => {
          const key = causeKey(kind, cause);
          return (
            <li key={key}>
              <button
                aria-pressed={active === key}
                onClick={() => onPick(active === key ? '' : key)}
                title={nodes.slice(0, 20).join(', ')}
              >
                <span
                  className={`cause-bar ${CAUSE_LEVELS[kind]}`}
                  style={{ width: `${Math.max(1, (100 * nodes.length) / most)}%` }}
                />
                <b>
                  {nodes.length.toLocaleString('en')} {nodes.length === 1 ? 'node' : 'nodes'}
                </b>
                <span className={`pill ${CAUSE_LEVELS[kind]}`}>{kind}</span>
                <span className="cause-text">{cause}</span>
              </button>
            </li>
          );
        })}
      </ul>
      {causes.length > 30 && <p className="muted">and {causes.length - 30} more causes</p>}
    </section>
  );
}
