import type { NodesResponse } from '@perfleet/api-contract';
import { get } from './api.ts';
import { Filters } from './panels/filters.tsx';
import { FlamePanel } from './panels/flame-panel.tsx';
import { NodesPanel } from './panels/nodes-panel.tsx';
import { SqlPanel } from './panels/sql-panel.tsx';
import { NodeStatus } from './panels/node-status.tsx';
import { Timeline } from './panels/timeline.tsx';
import { TopPanel } from './panels/top-panel.tsx';
import { selectorOf, timeRange, useViewState, type Page } from './state.ts';
import { usePolled } from './use-polled.ts';

const PAGES: ReadonlyArray<readonly [Page, string]> = [
  ['flame', 'Flame graph'],
  ['top', 'Functions'],
  ['sql', 'SQL'],
  ['nodes', 'Nodes'],
];
const REFRESH_MS = 5_000;

export function App() {
  const [state, change] = useViewState();
  const nodes = usePolled('nodes', REFRESH_MS, (signal) => get<NodesResponse>('nodes', {}, signal));
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
            </button>
          ))}
        </nav>
        <NodeStatus nodes={nodes.data?.nodes ?? null} error={nodes.error} onOpen={() => change({ page: 'nodes' })} />
      </header>
      <main>
        {profiles && (
          <>
            <Filters state={state} change={change} query={query} everyMs={everyMs} />
            <Timeline
              query={query}
              everyMs={everyMs}
              onSelect={(from, until) => change({ range: `${from}-${until}` })}
            />
          </>
        )}
        {state.page === 'flame' && <FlamePanel query={query} everyMs={everyMs} search={state.search} />}
        {state.page === 'top' && (
          <TopPanel
            query={query}
            everyMs={everyMs}
            search={state.search}
            onPick={(search) => change({ page: 'flame', search })}
          />
        )}
        {state.page === 'sql' && <SqlPanel />}
        {state.page === 'nodes' && <NodesPanel nodes={nodes.data?.nodes ?? null} error={nodes.error} />}
      </main>
    </>
  );
}
