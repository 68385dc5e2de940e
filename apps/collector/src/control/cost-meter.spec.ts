import type { SamplerStats } from '@perfleet/sampler';
import { describe, expect, it } from 'vitest';
import { CostMeter } from './cost-meter.ts';

const stats = (cpuMs: number, more: Partial<SamplerStats> = {}): SamplerStats => ({
  ...{ taken: 0, lost: {}, cpuMs, rssKb: 10 * 1024, processes: 1, ...more },
});

describe('the cost of collector and sampler', () => {
  it('is that of both, over the last window only', () => {
    let now = 0;
    let own = 5000;
    const meter = new CostMeter(
      () => now,
      () => ({ cpuMs: own, rssBytes: 90 * 2 ** 20 }),
    );
    expect(meter.latest()).toEqual({ cpuPercent: 0, memoryMib: 0 });
    for (let i = 0; i <= 10; i++) {
      meter.add(stats(100 * i, { bpfMs: 50 * i }));
      expect(meter.over(10_000)).toEqual(i < 10 ? null : { cpuPercent: 20, memoryMib: 100 });
      now += 1000;
      own += 50;
    }
    // From here on twice as much: over the last two seconds that is all there is.
    meter.add(stats(1350, { bpfMs: 500 }));
    now += 1000;
    own += 50;
    meter.add(stats(1700, { bpfMs: 500 }));
    expect(meter.over(2000)).toEqual({ cpuPercent: 40, memoryMib: 100 });
  });

  it('goes on when the sampler starts again, and leaves out what its start costs', () => {
    let now = 0;
    const meter = new CostMeter(() => now, null);
    const second = (cpuMs: number) => {
      now += 1000;
      meter.add(stats(cpuMs));
    };
    meter.add(stats(0));
    second(100);
    second(200);
    expect(meter.over(2000)).toEqual({ cpuPercent: 10, memoryMib: 10 });
    meter.samplerBegan();
    expect(meter.over(1)).toBeNull();
    second(5000);
    second(5100);
    second(5200);
    expect(meter.over(2000)).toEqual({ cpuPercent: 10, memoryMib: 10 });
  });

  it('begins anew where the node works under other settings', () => {
    let now = 0;
    const meter = new CostMeter(() => now, null);
    for (const cpuMs of [0, 500, 1000]) {
      meter.add(stats(cpuMs));
      now += 1000;
    }
    meter.begin();
    expect(meter.over(1000)).toBeNull();
    meter.add(stats(1100));
    expect(meter.over(1000)).toMatchObject({ cpuPercent: 10 });
  });
});
