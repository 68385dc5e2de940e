import { describe, expect, it } from 'vitest';
import { Trouble } from './trouble.ts';

function setUp() {
  const log: unknown[][] = [];
  const say =
    (level: string) =>
    ({ error, failures }: { error?: string; failures?: number }) =>
      void log.push([level, error ?? failures]);
  const clock = { ms: 0 };
  const stats = { errors: 0 };
  const logger = { warn: say('warn'), info: say('info') } as unknown as ConstructorParameters<typeof Trouble>[0];
  return { log, clock, stats, trouble: new Trouble(logger, 'n1', stats, () => clock.ms) };
}

describe('what keeps addresses from being resolved', () => {
  it('is said once for each reason, and counted each time', () => {
    const { log, stats, trouble } = setUp();
    for (let i = 0; i < 100; i++) trouble.failed(new Error(i % 2 ? 'broker away' : 'no leader'));
    expect(log).toEqual([
      ['warn', 'no leader'],
      ['warn', 'broker away'],
    ]);
    expect(stats.errors).toBe(100);
  });

  it('is over when nothing failed for a while, which is said once; the next outage is told anew', () => {
    const { log, clock, stats, trouble } = setUp();
    trouble.worked();
    trouble.failed(new Error('broker away'));
    trouble.failed(new Error('broker away'));
    clock.ms = 29_999;
    // Another partition works.
    trouble.worked();
    trouble.failed(new Error('broker away'));
    clock.ms += 30_000;
    trouble.worked();
    trouble.worked();
    trouble.failed(new Error('broker away'));
    expect(log).toEqual([
      ['warn', 'broker away'],
      ['info', 3],
      ['warn', 'broker away'],
    ]);
    expect(stats.errors).toBe(4);
  });

  it('is said of a bounded number of reasons that differ each time', () => {
    const { log, stats, trouble } = setUp();
    for (let i = 0; i < 100; i++) trouble.failed(new Error(`offset ${i}`));
    expect(log).toHaveLength(16);
    expect(stats.errors).toBe(100);
  });
});
