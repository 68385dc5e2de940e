import type { CollectorRun } from './collector-run.ts';
import type { Load } from './loads.ts';
import type { Cell, Table } from './report.ts';
import { completeOf, deliveredAtMost, machineShare } from './sampler-figures.ts';

/** A run of the agent over a load. */
export interface TargetRun {
  readonly rate: number;
  readonly load: Pick<Load, 'name' | 'full' | 'programs' | 'deep'>;
  readonly run: CollectorRun;
}

interface Target {
  readonly what: string;
  readonly limit: number;
  readonly atMost: boolean;
  /** NaN where the run does not tell. */
  readonly of: (each: TargetRun) => number;
}

const onlyIf = (condition: boolean, figure: number) => (condition ? figure : NaN);

/** What the agent is meant to reach on every load that can tell, in the steady state unless said otherwise. */
const TARGETS: readonly Target[] = [
  ...[
    [19, 0.4],
    [99, 1.2],
  ].map(([rate, limit]) => ({
    what: `${rate} Hz, full load: % of the machine`,
    limit: limit!,
    atMost: true,
    of: (each: TargetRun) => onlyIf(each.rate === rate && each.load.full, machineShare(each.run)),
  })),
  {
    what: 'BPF µs a run, stacks of 40 frames',
    limit: 25,
    atMost: true,
    of: ({ run, load }) => onlyIf(load.deep && run.bpfRuns > 0, (run.bpfSeconds / run.bpfRuns) * 1e6),
  },
  { what: 'start to first sample, s', limit: 1, atMost: true, of: ({ run }) => run.firstSample },
  { what: 'start to full delivery, s', limit: 2, atMost: true, of: ({ run }) => run.fullDelivery },
  {
    what: 'delivered, %, but for one sample a CPU',
    limit: 99.5,
    atMost: false,
    of: ({ rate, load, run }) => deliveredAtMost(rate, load, run),
  },
  {
    what: 'complete stacks, %',
    limit: 97,
    atMost: false,
    of: ({ load, run }) => completeOf(load, run),
  },
  { what: 'resident, MB', limit: 150, atMost: true, of: ({ run }) => run.samplerMb + run.collectorMb },
  { what: 'kernel memory, MB', limit: 64, atMost: true, of: ({ run }) => run.kernelMb },
];

/** Each target with the worst figure of all runs that tell of it. */
export function againstTargets(runs: readonly TargetRun[]): Table {
  const rows = TARGETS.flatMap(({ what, limit, atMost, of }): Cell[][] => {
    const figures = runs.map((each) => ({ figure: of(each), at: `${each.rate} Hz, ${each.load.name}` }));
    const told = figures.filter(({ figure }) => !Number.isNaN(figure));
    if (told.length === 0) return [];
    const worst = told.reduce((a, b) => (b.figure > a.figure === atMost ? b : a));
    const reached = atMost ? worst.figure <= limit : worst.figure >= limit;
    return [[what, `${atMost ? 'at most' : 'at least'} ${limit}`, worst.figure, worst.at, reached ? 'yes' : 'no']];
  });
  return {
    title: 'Perfleet against its targets',
    columns: ['what', 'target', 'worst figure', 'of', 'reached'],
    rows,
  };
}
