import { api, dataOf } from '../api.ts';
import { formatValue } from '../format.ts';
import type { ViewState } from '../state.ts';
import { usePolled } from '../use-polled.ts';

export interface RangeQuery {
  readonly query: string;
  readonly from: string;
  readonly until: string;
}

interface Props {
  readonly state: ViewState;
  readonly change: (partial: Partial<ViewState>) => void;
  readonly query: RangeQuery;
  readonly everyMs: number;
}

const RANGES: ReadonlyArray<readonly [string, string]> = [
  ['1', 'last minute'],
  ['5', 'last 5 minutes'],
  ['15', 'last 15 minutes'],
  ['60', 'last hour'],
  ['360', 'last 6 hours'],
  ['1440', 'last day'],
  ['10080', 'last 7 days'],
];

export function Filters({ state, change, query, everyMs }: Props) {
  const absolute = state.range.includes('-');
  return (
    <div className="filters">
      <TypeSelect value={state.type} everyMs={everyMs} onChange={(type) => change({ type })} />
      {(['process', 'container', 'node'] as const).map((label) => (
        <LabelSelect
          key={label}
          label={label}
          type={state.type}
          value={state[label]}
          query={query}
          everyMs={everyMs}
          onChange={(value) => change({ [label]: value })}
        />
      ))}
      <label>
        time
        <select value={absolute ? 'absolute' : state.range} onChange={(event) => change({ range: event.target.value })}>
          {absolute && <option value="absolute">{describeRange(state.range)}</option>}
          {RANGES.map(([minutes, text]) => (
            <option key={minutes} value={minutes}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label className="search">
        search
        <input
          type="search"
          placeholder="function, file or module (regular expression)"
          value={state.search}
          onChange={(event) => change({ search: event.target.value })}
        />
      </label>
      <span className={`live ${everyMs > 0 ? 'on' : ''}`}>{everyMs > 0 ? 'live' : 'fixed'}</span>
    </div>
  );
}

function describeRange(range: string): string {
  const [from, until] = range.split('-').map((seconds) => new Date(Number(seconds) * 1000).toLocaleTimeString());
  return `${from} – ${until}`;
}

function TypeSelect({
  value,
  everyMs,
  onChange,
}: {
  value: string;
  everyMs: number;
  onChange: (type: string) => void;
}) {
  const { data } = usePolled('types', everyMs && everyMs * 3, (signal) =>
    dataOf(api.GET('/api/v1/profile-types', { signal })),
  );
  const types = new Set(['cpu', value, ...(data?.types ?? []).map(({ type }) => type)]);
  return (
    <label>
      type
      <select aria-label="type" value={value} onChange={(event) => onChange(event.target.value)}>
        {[...types].map((type) => (
          <option key={type} value={type}>
            {TITLES[type] ?? type}
          </option>
        ))}
      </select>
    </label>
  );
}

const TITLES: Readonly<Record<string, string>> = {
  cpu: 'CPU',
  off_cpu: 'off-CPU (blocked)',
  wall_clock: 'wall clock (CPU + blocked)',
};

function LabelSelect({
  label,
  type,
  value,
  query,
  everyMs,
  onChange,
}: {
  label: string;
  type: string;
  value: string;
  query: RangeQuery;
  everyMs: number;
  onChange: (value: string) => void;
}) {
  const range = { query: `${type}{}`, from: query.from, until: query.until };
  const { data } = usePolled(`${type} ${label} ${range.from} ${range.until}`, everyMs && everyMs * 3, (signal) =>
    dataOf(api.GET('/api/v1/labels/{name}/values', { params: { path: { name: label }, query: range }, signal })),
  );
  const values = (data?.values ?? []).filter((entry) => entry.value !== '');
  const listed =
    value === '' || values.some((entry) => entry.value === value) ? values : [{ value, total: 0 }, ...values];
  return (
    <label>
      {label}
      <select aria-label={label} value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">all{values.length > 0 ? ` (${values.length})` : ''}</option>
        {listed.slice(0, 1000).map((entry) => (
          <option key={entry.value} value={entry.value}>
            {entry.value} {entry.total > 0 ? `· ${formatValue(entry.total, 'nanoseconds')}` : ''}
          </option>
        ))}
      </select>
    </label>
  );
}
