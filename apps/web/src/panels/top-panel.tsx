import { useState } from 'react';
import { api, dataOf } from '../api.ts';
import { frameColor } from '../flame/colors.ts';
import { formatShare, formatValue } from '../format.ts';
import { usePolled } from '../use-polled.ts';
import { EmptyState, ErrorLine } from './empty-state.tsx';
import type { RangeQuery } from './filters.tsx';

interface Props {
  readonly query: RangeQuery;
  readonly everyMs: number;
  readonly search: string;
  readonly onPick: (search: string) => void;
}

export function TopPanel({ query, everyMs, search, onPick }: Props) {
  const [by, setBy] = useState<'self' | 'total'>('self');
  const { data, error } = usePolled(JSON.stringify(query), everyMs, (signal) =>
    dataOf(api.GET('/api/v1/top', { params: { query: { ...query, limit: 500 } }, signal })),
  );
  const needle = search.toLowerCase();
  const rows = (data?.functions ?? [])
    .filter((f) => needle === '' || `${f.function} ${f.file} ${f.module}`.toLowerCase().includes(needle))
    .sort((a, b) => b[by] - a[by])
    .slice(0, 200);
  const heading = (column: 'self' | 'total') => (
    <th className="number">
      <button onClick={() => setBy(column)} aria-pressed={by === column}>
        {column}
      </button>
    </th>
  );
  return (
    <section className="card" aria-label="Functions">
      <ErrorLine error={error} />
      {rows.length === 0 ? (
        !error && <EmptyState waiting={data === null} />
      ) : (
        <table className="rows">
          <thead>
            <tr>
              {heading('self')}
              {heading('total')}
              <th>function</th>
              <th>module</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((f, i) => (
              <tr key={i}>
                <td className="number" title={formatValue(f.self, data!.unit)}>
                  <span
                    className="meter"
                    style={{
                      width: `${(100 * f.self) / data!.total}%`,
                      background: frameColor(f.kind, f.module, f.function),
                    }}
                  />
                  {formatShare(f.self, data!.total)}
                </td>
                <td className="number" title={formatValue(f.total, data!.unit)}>
                  {formatShare(f.total, data!.total)}
                </td>
                <td className="mono wide">
                  <button
                    className="link"
                    title={f.file}
                    onClick={() => onPick(`^${f.function.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`)}
                  >
                    {f.function}
                  </button>
                </td>
                <td className="mono muted">{f.module}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
