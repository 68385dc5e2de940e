import { useCallback, useEffect, useState } from 'react';

export type Page = 'flame' | 'top' | 'sql' | 'nodes' | 'alerts';

/** What the page shows; it lives in the address, so a view can be sent to a colleague. */
export interface ViewState {
  readonly page: Page;
  /** Profile type. */
  readonly type: string;
  readonly process: string;
  readonly container: string;
  readonly node: string;
  /** Minutes back from now, or an absolute range `from-until` in Unix seconds. */
  readonly range: string;
  readonly search: string;
  /** Of the flame graph: what makes frames one, `true` = leaves first, patterns of functions. */
  readonly merge: string;
  readonly invert: string;
  readonly focus: string;
  readonly ignore: string;
  /** The node whose time line is open. */
  readonly picked: string;
  readonly fleetText: string;
  readonly fleetMode: string;
  readonly fleetRung: string;
  readonly fleetAlive: string;
}

const DEFAULTS: ViewState = {
  ...{ page: 'flame', type: 'cpu', process: '', container: '', node: '', range: '15', search: '' },
  ...{ merge: 'function', invert: '', focus: '', ignore: '' },
  ...{ picked: '', fleetText: '', fleetMode: '', fleetRung: '', fleetAlive: '' },
};

function read(): ViewState {
  const params = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(
    Object.entries(DEFAULTS).map(([key, value]) => [key, params.get(key) ?? value]),
  ) as unknown as ViewState;
}

export function useViewState(): [ViewState, (change: Partial<ViewState>) => void] {
  const [state, setState] = useState(read);
  useEffect(() => {
    const onHash = () => setState(read());
    window.addEventListener('hashchange', onHash);
    return () => window.removeEventListener('hashchange', onHash);
  }, []);
  const change = useCallback((partial: Partial<ViewState>) => {
    setState((before) => {
      const next = { ...before, ...partial };
      const params = new URLSearchParams(
        Object.entries(next).filter(([key, value]) => value !== DEFAULTS[key as keyof ViewState]),
      );
      history.replaceState(null, '', `#${params}`);
      return next;
    });
  }, []);
  return [state, change];
}

export interface TimeRange {
  readonly from: string;
  readonly until: string;
  readonly live: boolean;
}

export function timeRange(range: string): TimeRange {
  const absolute = /^(\d+)-(\d+)$/.exec(range);
  if (absolute) return { from: absolute[1]!, until: absolute[2]!, live: false };
  return { from: `now-${/^\d+$/.test(range) ? range : '15'}m`, until: 'now', live: true };
}

/** `cpu{process="node"}` from the chosen type and labels. */
export function selectorOf(state: Pick<ViewState, 'type' | 'process' | 'container' | 'node'>): string {
  const matchers = (['process', 'container', 'node'] as const)
    .filter((label) => state[label])
    .map((label) => `${label}=${JSON.stringify(state[label])}`);
  return `${state.type}{${matchers.join(', ')}}`;
}
