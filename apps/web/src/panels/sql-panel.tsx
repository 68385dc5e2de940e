import type { SqlResponse } from '@perfleet/api-contract';
import { useState } from 'react';
import { api, dataOf } from '../api.ts';
import { ErrorLine } from './empty-state.tsx';

const EXAMPLES: ReadonlyArray<readonly [string, string]> = [
  [
    'Top functions of the last hour',
    `SELECT function, binary, round(sum(self) / 1e9, 2) AS cpu_seconds\nFROM functions\nWHERE time > now() - INTERVAL 1 HOUR\nGROUP BY function, binary\nORDER BY cpu_seconds DESC\nLIMIT 20`,
  ],
  [
    'CPU by process',
    `SELECT process, round(sum(value) / 1e9, 2) AS cpu_seconds\nFROM profiles\nWHERE time > now() - INTERVAL 1 HOUR\nGROUP BY process\nORDER BY cpu_seconds DESC`,
  ],
  ['Taken = stored + lost', 'SELECT node, epoch, taken, stored, lost, balance\nFROM deliveries'],
  ['What happened to nodes', 'SELECT time, node, kind, message\nFROM node_events\nORDER BY time DESC\nLIMIT 50'],
];

export function SqlPanel() {
  const [query, setQuery] = useState(EXAMPLES[0]![1]);
  const [answer, setAnswer] = useState<SqlResponse | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [running, setRunning] = useState(false);
  const run = async () => {
    setRunning(true);
    setError(null);
    try {
      setAnswer(await dataOf(api.POST('/api/v1/sql', { body: { query } })));
    } catch (cause) {
      setError(cause instanceof Error ? cause.message : String(cause));
    } finally {
      setRunning(false);
    }
  };
  return (
    <section className="card" aria-label="SQL">
      <div className="card-head">
        {EXAMPLES.map(([title, text]) => (
          <button key={title} className="link" onClick={() => setQuery(text)}>
            {title}
          </button>
        ))}
      </div>
      <textarea
        aria-label="SQL query"
        spellCheck={false}
        rows={Math.max(6, query.split('\n').length + 1)}
        value={query}
        onChange={(event) => setQuery(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && (event.ctrlKey || event.metaKey) && void run()}
      />
      <div className="card-head">
        <button className="primary" disabled={running} onClick={() => void run()}>
          {running ? 'running …' : 'Run'}
        </button>
        <span className="muted">
          Ctrl+Enter · views: profiles, functions, spans, nodes, node_events, deliveries, coverage, coverage_windows
        </span>
        {answer && !error && (
          <span className="muted">
            {answer.rows.length} rows in {Math.round(answer.tookMs)} ms
          </span>
        )}
      </div>
      <ErrorLine error={error} />
      {answer && !error && (
        <div className="scroll">
          <table className="rows">
            <thead>
              <tr>
                {answer.columns.map((column) => (
                  <th key={column.name} title={column.type}>
                    {column.name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {answer.rows.slice(0, 1000).map((row, i) => (
                <tr key={i}>
                  {row.map((cell, j) => (
                    <td key={j} className={typeof cell === 'number' ? 'number' : 'mono'}>
                      {cell !== null && typeof cell === 'object' ? JSON.stringify(cell) : String(cell)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
