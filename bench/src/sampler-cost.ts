import type { Table } from './report.ts';

/** Cost of one run a second of time: CPU seconds and samples. */
export interface Run {
  readonly rate: number;
  readonly load: string;
  readonly cpu: number;
  readonly samples: number;
}

/** Of loads that ran at two rates: what a minute costs whatever is sampled, and what a sample more costs. */
export function fixedAndMarginal(runs: readonly Run[]): Table[] {
  const rows = [...new Set(runs.map(({ load }) => load))].flatMap((load) => {
    const of = runs.filter((run) => run.load === load).sort((a, b) => a.rate - b.rate);
    const [slow, fast] = [of[0]!, of.at(-1)!];
    if (fast.samples <= slow.samples) return [];
    const each = (fast.cpu - slow.cpu) / (fast.samples - slow.samples);
    return [[load, (slow.cpu - each * slow.samples) * 60, each * 1e6]];
  });
  const columns = ['load', 'fixed: CPU s a minute', 'marginal: CPU µs a sample'];
  return rows.length === 0 ? [] : [{ title: 'Perfleet: fixed and marginal cost', columns, rows }];
}
