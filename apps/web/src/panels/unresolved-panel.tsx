import { api, dataOf } from '../api.ts';
import { compact, formatAgo, formatShare } from '../format.ts';
import { usePolled } from '../use-polled.ts';
import { ErrorLine } from './empty-state.tsx';
import type { RangeQuery } from './filters.tsx';

interface Props {
  readonly query: RangeQuery;
  readonly everyMs: number;
}

/** Binaries whose frames have no name, and what they cost; nothing when all have. */
export function UnresolvedPanel({ query, everyMs }: Props) {
  const { data, error } = usePolled(JSON.stringify(query), everyMs, (signal) =>
    dataOf(api.GET('/api/v1/unresolved-binaries', { params: { query: { ...query, limit: 20 } }, signal })),
  );
  const binaries = data?.binaries ?? [];
  if (binaries.length === 0 && !error) return null;
  return (
    <section className="card" aria-label="Binaries without names">
      <h2>Binaries without names</h2>
      <ErrorLine error={error} />
      <table className="rows">
        <thead>
          <tr>
            <th className="number">samples</th>
            <th className="number">share</th>
            <th className="number">nodes</th>
            <th>since</th>
            <th>binary</th>
            <th>reason</th>
          </tr>
        </thead>
        <tbody>
          {binaries.map((row) => (
            <tr key={`${row.binaryId} ${row.binary}`}>
              <td className="number">{compact(row.samples)}</td>
              <td className="number">{formatShare(row.share, 1)}</td>
              <td className="number">{row.nodes}</td>
              <td title={new Date(row.since).toISOString()}>{formatAgo(row.since, Date.now())}</td>
              <td className="mono wide" title={row.binaryId}>
                {row.binary}
              </td>
              <td className="muted">{row.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
