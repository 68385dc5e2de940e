import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { delimiter, join } from 'node:path';
import { collectorRun, type CollectorRun } from './collector-run.ts';
import { execLoad, manyLoad, noLoad, shortLoad, steadyLoad, type Load } from './loads.ts';
import { parseCount } from './measure.ts';
import { perfRecord, type PerfRun } from './perf-tool.ts';
import { fixedAndMarginal } from './sampler-cost.ts';
import {
  completeOf,
  cpuOfRun,
  deliveredOf,
  machineShare,
  ofMachine,
  ofProgramsShare,
  perThousand,
  scale,
} from './sampler-figures.ts';
import { goFirst } from './priority.ts';
import { againstTargets, type TargetRun } from './sampler-targets.ts';
import { ratio, type Benchmark, type Cell, type Ratio } from './report.ts';

const STATS = '/proc/sys/kernel/bpf_stats_enabled';

/** Programs to profile, by the names that --loads knows. */
const LOADS = { steady: steadyLoad, short: shortLoad, many: manyLoad, execs: execLoad, idle: noLoad };

export const sampler: Benchmark = {
  name: 'sampler',
  description:
    'CPU, memory and delivered share of sampler and collector at 19 and 99 Hz, against perf record -g -a at the same rate and load',
  options: [
    {
      flags: '--duration <seconds>',
      description:
        'length of each measurement (20: all loads, both rates and all tools in twelve minutes; with 15 in ten)',
    },
    {
      flags: '--loads <list>',
      description: `of ${Object.keys(LOADS).join(', ')} (all; with --quick steady and short)`,
    },
    { flags: '--rates <list>', description: 'samples a second and CPU (19,99)' },
  ],

  async run({ quick, root, directory, options, progress }) {
    const seconds = parseCount('--duration', options['duration'], quick ? 4 : 20, 3600);
    const rates = (options['rates'] ?? (quick ? '99' : '19,99'))
      .split(',')
      .map((rate) => parseCount('--rates', rate, 19, 9999));
    const wanted = parseLoads(options['loads'] ?? (quick ? 'steady,short' : Object.keys(LOADS).join()));
    const window = quick ? 1 : 5;
    const notes: string[] = [];
    const restores = [enableBpfStats(notes), goFirst()];
    const perf = hasPerf();
    if (!perf) notes.push('perf is missing, so there is no reference: sudo apt-get install linux-perf');
    const cells: Cell[][] = [];
    const starts: Cell[][] = [];
    const ratios: Ratio[] = [];
    const runs: TargetRun[] = [];
    try {
      for (const rate of rates) {
        for (const make of wanted) {
          const load = make(root, directory, quick);
          try {
            const at = `${rate} Hz, ${load.name}`;
            progress(`${at}: perfleet`);
            const data = join(directory, `${rate}-${make.name}`);
            mkdirSync(data);
            const ours = await collectorRun(root, data, rate, seconds, window, load);
            cells.push(ourRow(at, rate, ours, load));
            const { firstSample, fullDelivery, startCpu, samplerMb, collectorMb, kernelMb } = ours;
            const full = known(fullDelivery);
            starts.push([at, known(firstSample), full, startCpu, samplerMb, collectorMb, kernelMb]);
            runs.push({ rate, load, run: ours });
            if (!perf || !load.full) continue;
            // The quick form has each once.
            const graphs = (['fp', 'dwarf'] as const).filter(
              (g) => !quick || (g === 'dwarf') === (make === steadyLoad),
            );
            for (const graph of graphs) {
              progress(`${at}: perf record, ${graph}`);
              const theirs = await perfRecord(graph, rate, seconds, join(directory, 'perf.data'), load);
              cells.push(perfRow(at, graph, rate, theirs, load, seconds));
              const reference = `perf record, ${graph}, CPU ms per 1,000 samples`;
              ratios.push(
                ratio(
                  `${at}: CPU ms per 1,000 samples, BPF included`,
                  perThousand(cpuOfRun(ours), ours.samples * scale(ours)),
                  reference,
                  perThousand(theirs.cpu, theirs.samples),
                  'lower',
                ),
              );
            }
          } finally {
            load.stop();
          }
        }
      }
    } finally {
      restores.forEach((restore) => restore());
    }
    return {
      parameters: { 'seconds each': seconds, 'window s': window, rates: rates.join(' and ') },
      ratios,
      tables: [
        {
          title: 'Cost and completeness',
          columns: [
            'load',
            'tool',
            'samples',
            '% of the machine',
            'CPU ms per 1,000 samples',
            'of that sampler',
            'collector',
            'BPF',
            'BPF µs a run',
            'delivered %',
            'of the programs %',
            'stack reaches main %',
            'bytes a sample',
          ],
          rows: cells,
        },
        ...fixedAndMarginal(
          runs.map(({ rate, load, run }) => ({
            ...{ rate, load: load.name },
            cpu: cpuOfRun(run) / run.seconds,
            samples: run.samples / run.windowSeconds,
          })),
        ),
        {
          title: 'Perfleet: start and memory',
          columns: ['load', 'first sample s', 'full delivery s', 'start-up CPU s', ...MEMORY],
          rows: starts,
        },
        againstTargets(runs),
      ],
      notes: [
        ...notes,
        'Delivered: samples of all processes over rate × CPUs × time, since every CPU is busy (Perfleet: less the time that the kernel says they were idle). Of the programs: samples of the load’s programs over rate × the CPU time that they used; of programs of 30 ms that has the noise of sampling, about 1 % at 19 Hz. n/a of perf: perf script crashed.',
        'Full delivery: the end of the first window that lacks less than one sample of each CPU (what a window that begins between two ticks may lack) and after which 99.5 % of all samples that were due until the end came. Where not every CPU is busy nobody knows what was due: n/a.',
        'CPU time of collector and sampler is what their threads ran as the scheduler counts it, in nanoseconds.',
        'Resident memory is without arrays and rings that a process maps of the kernel’s: these are kernel memory (all BPF maps and programs, rings of perf events), mapped or not.',
        'Perfleet is measured from when its start is over, that is when the tables of what ran already are made; what it used until then is start-up CPU, BPF and all that it started included. perf is measured from its start to its end, without build ids (-B -N); its own work in the kernel (unwinding, copying) is not in its CPU figure, Perfleet’s is (BPF).',
        'First sample and full delivery count from the start of the process until the window is on the stream, so they hold one window. Bytes a sample: message bodies for Perfleet, perf.data for perf.',
        'Fixed and marginal cost: the line through both rates of a load. The idle load’s row of the first table is what it costs to be there, measured.',
      ],
    };
  },
};

function parseLoads(list: string) {
  return list.split(',').map((name) => {
    if (!Object.hasOwn(LOADS, name)) throw new Error(`--loads ${name}: there are ${Object.keys(LOADS).join(', ')}`);
    return LOADS[name as keyof typeof LOADS];
  });
}

const MEMORY = ['sampler MB', 'collector MB', 'kernel MB'];
const known = (figure: number): Cell => (Number.isFinite(figure) ? figure : 'n/a');

function ourRow(at: string, rate: number, run: CollectorRun, load: Load): Cell[] {
  const samples = run.samples * scale(run);
  return [
    at,
    'perfleet',
    known(Math.round(samples)),
    machineShare(run),
    ...[cpuOfRun(run), run.samplerCpu, run.collectorCpu, run.bpfSeconds].map((cpu) => known(perThousand(cpu, samples))),
    run.bpfRuns > 0 ? (run.bpfSeconds / run.bpfRuns) * 1e6 : 'n/a',
    known(deliveredOf(rate, load, run)),
    known(ofProgramsShare(rate, load, run)),
    known(completeOf(load, run)),
    known(run.bytes / run.samples),
  ];
}

function perfRow(at: string, graph: string, rate: number, run: PerfRun, load: Load, seconds: number): Cell[] {
  return [
    at,
    `perf record, ${graph}`,
    run.samples,
    ofMachine(run.cpu, seconds),
    perThousand(run.cpu, run.samples),
    'n/a',
    'n/a',
    'n/a',
    'n/a',
    (100 * run.samples) / (rate * cpus().length * seconds),
    load.programs.length > 0 ? known((100 * run.ofPrograms) / (rate * run.loadCpu * (seconds / run.seconds))) : 'n/a',
    known(completeOf(load, run)),
    run.fileBytes / run.samples,
  ];
}

/** @returns puts the setting back */
function enableBpfStats(notes: string[]): () => void {
  try {
    const before = readFileSync(STATS, 'utf8').trim();
    writeFileSync(STATS, '1');
    return () => writeFileSync(STATS, before);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    notes.push(`BPF run time is not in the figures (${why}); run as root`);
    return () => undefined;
  }
}

function hasPerf(): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, 'perf'), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
