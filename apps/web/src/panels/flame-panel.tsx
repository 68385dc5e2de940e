import { EXPORT_FORMATS, type ExportFormat } from '@perfleet/api-contract';
import { useCallback, useMemo, useState } from 'react';
import { api, dataOf, saveExport } from '../api.ts';
import { FlameGraph } from '../flame/flame-graph.tsx';
import { frameColor, KIND_NAMES } from '../flame/colors.ts';
import { layoutFlameGraph } from '../flame/layout.ts';
import { amountOf, formatShare, formatValue } from '../format.ts';
import { usePolled } from '../use-polled.ts';
import { EmptyState, ErrorLine } from './empty-state.tsx';
import type { ViewState } from '../state.ts';
import type { RangeQuery } from './filters.tsx';
import { FlameShapeControls, shapeQuery, type FlameShape } from './flame-shape.tsx';

interface Props {
  readonly query: RangeQuery;
  readonly everyMs: number;
  readonly state: ViewState;
  readonly change: (change: Partial<FlameShape>) => void;
}

export function FlamePanel({ query, everyMs, state, change }: Props) {
  const asked = { ...query, ...shapeQuery(state) };
  const { data, error } = usePolled(JSON.stringify(asked), everyMs, (signal) =>
    dataOf(api.GET('/api/v1/flamegraph', { params: { query: asked }, signal })),
  );
  const layout = useMemo(() => data && layoutFlameGraph(data.graph), [data]);
  const [matched, setMatched] = useState<{ value: number | null; error: string | null }>({ value: null, error: null });
  const onMatched = useCallback(
    (value: number | null, problem: string | null) => setMatched({ value, error: problem }),
    [],
  );
  const [unsaved, setUnsaved] = useState<string | null>(null);
  const save = (format: ExportFormat) =>
    saveExport({ ...query, format }).then(
      () => setUnsaved(null),
      (cause: unknown) => setUnsaved(cause instanceof Error ? cause.message : String(cause)),
    );
  return (
    <section className="card" aria-label="Flame graph">
      <div className="card-head">
        <strong data-testid="total">
          {data ? `${formatValue(data.total, data.unit)} ${amountOf(data.type)}` : '…'}
        </strong>
        {data && data.total < data.selected && (
          <span className="muted">{formatShare(data.total, data.selected)} of the selection</span>
        )}
        {matched.value !== null && data && (
          <span className="matched" data-testid="matched">
            {formatShare(matched.value, data.total)} matches
          </span>
        )}
        {matched.error && <span className="muted">{matched.error}</span>}
        <span className="legend">
          {KIND_NAMES.map(([kind, name]) => (
            <span key={kind}>
              <i style={{ background: frameColor(kind, '', '') }} /> {name}
            </span>
          ))}
        </span>
        <span className="exports">
          {EXPORT_FORMATS.map((format) => (
            <button key={format} onClick={() => void save(format)}>
              {format}
            </button>
          ))}
        </span>
      </div>
      <FlameShapeControls shape={state} change={change} />
      <ErrorLine error={error ?? unsaved} />
      {layout && layout.length > 1 ? (
        <FlameGraph layout={layout} unit={data!.unit} search={state.search} onMatched={onMatched} />
      ) : (
        !error && <EmptyState waiting={data === null} />
      )}
    </section>
  );
}
