import { describe, expect, it } from 'vitest';
import type { CollectorRun } from './collector-run.ts';
import { fixedAndMarginal } from './sampler-cost.ts';
import { deliveredOf } from './sampler-figures.ts';
import { againstTargets, type TargetRun } from './sampler-targets.ts';

const run = (more: Partial<CollectorRun>): CollectorRun => ({
  ...{ seconds: 10, samplerCpu: 0, collectorCpu: 0, bpfSeconds: 0, bpfRuns: 0, startCpu: 1 },
  ...{ samplerMb: 50, collectorMb: 90, kernelMb: 40, firstSample: 0.8, fullDelivery: NaN },
  ...{ samples: 0, windowSeconds: 5, bytes: 0, loadCpu: 0, ofProcess: 0, reachMain: 0 },
  ...more,
});
const short = { name: 'short', full: false, process: 'p', deep: false };

function reached(runs: readonly TargetRun[]): Record<string, unknown> {
  return Object.fromEntries(againstTargets(runs).rows.map((row) => [row[0], [row[2], row[3], row[4]]]));
}

describe('figures of bench sampler', () => {
  it('delivered: samples of its windows against the CPU of all the measured time', () => {
    expect(deliveredOf(100, short, run({ loadCpu: 2, ofProcess: 99 }))).toBe(99);
    expect(deliveredOf(100, { full: false, process: '' }, run({}))).toBeNaN();
  });

  it('a target is judged by the worst run that tells of it', () => {
    const rows = reached([
      { rate: 19, load: short, run: run({ loadCpu: 10, ofProcess: 95, reachMain: 95 }) },
      { rate: 99, load: short, run: run({ loadCpu: 10, ofProcess: 490, reachMain: 480, firstSample: 1.5 }) },
    ]);
    expect(rows['start to first sample, s']).toEqual([1.5, '99 Hz, short', 'no']);
    expect(rows['delivered, %']).toEqual([expect.closeTo(98.99), '99 Hz, short', 'no']);
    expect(rows['complete stacks, %']).toEqual([expect.closeTo(97.96), '99 Hz, short', 'yes']);
    expect(rows['resident, MB']).toEqual([140, expect.any(String), 'yes']);
    expect(rows).not.toHaveProperty('start to full delivery, s');
    expect(rows).not.toHaveProperty('19 Hz, full load: % of the machine');
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
