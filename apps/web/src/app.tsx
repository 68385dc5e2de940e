import { fleetNodes } from '@perfleet/api-contract';
import { useState } from 'react';
import { api, dataOf } from './api.ts';
import { FleetPage } from './fleet/fleet-page.tsx';
import { AlertsPanel } from './panels/alerts-panel.tsx';
import { Filters } from './panels/filters.tsx';
import { FlamePanel } from './panels/flame-panel.tsx';
import { SqlPanel } from './panels/sql-panel.tsx';
import { NodeStatus } from './panels/node-status.tsx';
import { Timeline } from './panels/timeline.tsx';
import { TopPanel } from './panels/top-panel.tsx';
import { UnresolvedPanel } from './panels/unresolved-panel.tsx';
import { useAccess } from './sign-in/access.ts';
import { signOut } from './sign-in/flow.ts';
import { selectorOf, timeRange, useViewState, type Page } from './state.ts';
import { usePolled } from './use-polled.ts';

const PAGES: ReadonlyArray<readonly [Page, string]> = [
  ['flame', 'Flame graph'],
  ['top', 'Functions'],
  ['sql', 'SQL'],
  ['nodes', 'Nodes'],
  ['alerts', 'Alerts'],
];
const REFRESH_MS = 5_000;

export function App() {
  const [state, change] = useViewState();
  const { session } = useAccess();
  const [looks, setLooks] = useState(0);
  const fleet = usePolled('fleet', REFRESH_MS, async (signal) =>
    fleetNodes(await dataOf(api.GET('/api/v1/fleet', { signal }))),
  );
  const alerts = usePolled(`alerts ${looks}`, 2 * REFRESH_MS, (signal) =>
    dataOf(api.GET('/api/v1/alerts', { signal })),
  );
  const firing = (alerts.data?.alerts ?? []).filter((a) => a.state === 'firing' && !a.silenced && !a.acknowledged);
  const range = timeRange(state.range);
  const query = { query: selectorOf(state), from: range.from, until: range.until };
  const everyMs = range.live ? REFRESH_MS : 0;
  const profiles = state.page === 'flame' || state.page === 'top';

  return (
    <>
      <header className="bar">
        <h1>
          <img src="/icon.svg" alt="" width="22" height="22" /> Perfleet
        </h1>
        <nav className="tabs" aria-label="Pages">
          {PAGES.map(([page, title]) => (
            <button key={page} aria-current={state.page === page ? 'page' : undefined} onClick={() => change({ page })}>
              {title}
              {page === 'alerts' && firing.length > 0 && (
                <span className={`badge ${firing.some((a) => a.severity === 'critical') ? 'bad' : 'warn'}`}>
                  {firing.length}
                </span>
              )}
            </button>
          ))}
        </nav>
        <NodeStatus nodes={fleet.data} error={fleet.error} onOpen={() => change({ page: 'nodes' })} />
        {session && (
          <button className="link" onClick={() => void signOut()}>
            Sign out
          </button>
        )}
      </header>
      <main>
        {profiles && (
          <>
            <Filters state={state} change={change} query={query} everyMs={everyMs} />
            <Timeline
              type={state.type}
              query={query}
              everyMs={everyMs}
              onSelect={(from, until) => change({ range: `${from}-${until}` })}
            />
          </>
        )}
        {state.page === 'flame' && <FlamePanel query={query} everyMs={everyMs} state={state} change={change} />}
        {state.page === 'top' && (
          <>
            <TopPanel
              query={query}
              everyMs={everyMs}
              search={state.search}
              onPick={(search) => change({ page: 'flame', search })}
            />
            <UnresolvedPanel query={query} everyMs={2 * everyMs} />
          </>
        )}
        {state.page === 'sql' && <SqlPanel />}
        {state.page === 'nodes' && <FleetPage nodes={fleet.data} error={fleet.error} state={state} change={change} />}
        {state.page === 'alerts' && (
          <AlertsPanel
            alerts={alerts}
            onNode={(picked) => change({ page: 'nodes', picked })}
            reload={() => setLooks((n) => n + 1)}
          />
        )}
      </main>
    </>
  );
}
