import { Random, Zipf } from '@perfleet/simulate';
import { describe, expect, it } from 'vitest';
import { expectedDistinct, fitRecurrence, monthOf, type FleetModel } from './storage-model.ts';

describe('recurrence of stacks', () => {
  it.each([
    { stacks: 500, exponent: 1 },
    { stacks: 20_000, exponent: 0.7 },
  ])('expects as many distinct ones as are drawn: $stacks of exponent $exponent', (of) => {
    const zipf = new Zipf(of.stacks, of.exponent);
    const random = new Random(5);
    const seen = new Set<number>();
    for (let samples = 1; samples <= 100_000; samples++) {
      seen.add(zipf.draw(random));
      if (![100, 3000, 100_000].includes(samples)) continue;
      expect(Math.abs(expectedDistinct(of, samples) / seen.size - 1)).toBeLessThan(0.05);
    }
  });

  it('is found again from its own curve', () => {
    const of = { stacks: 20_000, exponent: 0.9 };
    const curve = [50, 500, 5000, 50_000].map((samples) => ({ samples, distinct: expectedDistinct(of, samples) }));
    expect(fitRecurrence(curve)).toEqual(of);
  });
});

describe('a month', () => {
  const fleet: FleetModel = {
    ...{ nodes: 10, podsPerNode: 10, services: 5, samplesPerPod: 2, rowsPerSample: 0.5, deploymentsPerDay: 1 },
    recurrence: { stacks: 1000, exponent: 1 },
  };
  const bytes = { samples: 3, samples_10m: 6, samples_1d: 6, stacks: 100, frames: 30, series: 100 };
  const rows = (of: FleetModel) => Object.fromEntries(monthOf(of, bytes, 2).map((part) => [part.table, part.rows]));

  it('has the rows that follow from its parts', () => {
    const month = rows(fleet);
    expect(month['samples']).toBe(100 * 2 * 30 * 86_400 * 0.5);
    // Each build of each service shows nearly all of its stacks in a day.
    expect(month['stacks']! / (5 * 30 * 1000)).toBeCloseTo(1, 1);
    expect(month['frames']).toBe(month['stacks']! * 2);
    expect(month['series']).toBe(100 * 31);
    expect(month['samples_10m']!).toBeLessThan(month['samples']!);
    expect(month['samples_1d']!).toBeLessThan(month['samples_10m']!);
  });

  it('has fewer stacks without deployments, and as many for more pods of the same services', () => {
    const still = rows({ ...fleet, deploymentsPerDay: 0 });
    expect(still['stacks']! / 5000).toBeCloseTo(1, 1);
    expect(rows({ ...fleet, nodes: 100 })['stacks']! / rows(fleet)['stacks']!).toBeCloseTo(1, 1);
  });
});
