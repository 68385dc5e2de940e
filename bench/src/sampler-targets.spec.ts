import { cpus } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { CollectorRun } from './collector-run.ts';
import { fixedAndMarginal } from './sampler-cost.ts';
import { deliveredOf, ofProgramsShare } from './sampler-figures.ts';
import { againstTargets, type TargetRun } from './sampler-targets.ts';

const run = (more: Partial<CollectorRun>): CollectorRun => ({
  ...{ seconds: 10, samplerCpu: 0, collectorCpu: 0, bpfSeconds: 0, bpfRuns: 0, startCpu: 1 },
  ...{ samplerMb: 50, collectorMb: 90, kernelMb: 40, firstSample: 0.8, fullDelivery: NaN },
  ...{ samples: 0, windowSeconds: 5, bytes: 0, loadCpu: 0, idleSeconds: 0, ofPrograms: 0, reachMain: 0 },
  ...more,
});
const short = { name: 'short', full: true, programs: ['p'], deep: false };
const CPUS = cpus().length;

function reached(runs: readonly TargetRun[]): Record<string, unknown> {
  return Object.fromEntries(againstTargets(runs).rows.map((row) => [row[0], [row[2], row[3], row[4]]]));
}

describe('figures of bench sampler', () => {
  it('delivered: samples of its windows against the time that CPUs were busy', () => {
    expect(deliveredOf(100, short, run({ samples: 500 * CPUS }))).toBe(100);
    // Of ten seconds each CPU had nothing to do in one.
    expect(deliveredOf(100, short, run({ samples: 441 * CPUS, idleSeconds: CPUS }))).toBeCloseTo(98);
    expect(deliveredOf(100, { full: false }, run({ samples: 500 }))).toBeNaN();
  });

  it('of the programs: their samples against the CPU of all the measured time', () => {
    expect(ofProgramsShare(100, short, run({ loadCpu: 2, ofPrograms: 99 }))).toBe(99);
    expect(ofProgramsShare(100, { programs: [] }, run({ loadCpu: 2 }))).toBeNaN();
  });

  it('a target is judged by the worst run that tells of it', () => {
    const rows = reached([
      { rate: 19, load: short, run: run({ samples: 95 * CPUS, ofPrograms: 95, reachMain: 95 }) },
      { rate: 99, load: short, run: run({ samples: 491 * CPUS, ofPrograms: 490, reachMain: 480, firstSample: 1.5 }) },
    ]);
    expect(rows['start to first sample, s']).toEqual([1.5, '99 Hz, short', 'no']);
    // One sample more of each CPU may lie between two windows.
    expect(rows['delivered, %, but for one sample a CPU']).toEqual([expect.closeTo(99.39), '99 Hz, short', 'no']);
    expect(rows['complete stacks, %']).toEqual([expect.closeTo(97.96), '99 Hz, short', 'yes']);
    expect(rows['resident, MB']).toEqual([140, expect.any(String), 'yes']);
    expect(rows).not.toHaveProperty('start to full delivery, s');
    expect(rows).toHaveProperty('19 Hz, full load: % of the machine');
    expect(rows).not.toHaveProperty('BPF µs a run, stacks of 40 frames');
  });

  it('fixed and marginal cost are those of the line through both rates', () => {
    const [table] = fixedAndMarginal([
      { rate: 99, load: 'a', cpu: 0.006, samples: 200 },
      { rate: 19, load: 'a', cpu: 0.003, samples: 50 },
      { rate: 19, load: 'b', cpu: 0.003, samples: 50 },
    ]);
    expect(table!.rows).toEqual([['a', expect.closeTo(0.12), expect.closeTo(20)]]);
  });
});
