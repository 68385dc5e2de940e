import { DEFAULT_BUDGET, type Budget } from '@perfleet/fleet-config';
import { describe, expect, it, vi } from 'vitest';
import { CALM, govern, ladderOf, retarget, type GovernorState, type Limits, type Usage } from './governor.ts';

// Hours of thousands of judgements each: longer than the usual bound where the machine is busy.
vi.setConfig({ testTimeout: 60_000 });

const limits = (budget: Partial<Budget> = {}, more: Partial<Limits> = {}): Limits => ({
  budget: { ...DEFAULT_BUDGET, cpuPercent: 10, memoryMib: 400, windowSeconds: 10, calmSeconds: 100, ...budget },
  ...{ rateHz: 19, rung: 1, lowestUsable: 3, ...more },
});
const usage = (cpuPercent: number, memoryMib = 100): Usage => ({ cpuPercent, memoryMib });
const at = (state: GovernorState, of = limits()) => ladderOf(of)[state.step]!;

describe('the ladder', () => {
  it('halves the rate down to its lowest, then uses worse rungs', () => {
    expect(ladderOf(limits({ lowestRung: 3 }))).toEqual([
      ...[19, 10, 5, 3].map((rateHz) => ({ rateHz, rung: 1 })),
      ...[2, 3].map((rung) => ({ rateHz: 3, rung })),
    ]);
    expect(ladderOf(limits({ lowestRung: 1, minRateHz: 30 }))).toEqual([{ rateHz: 19, rung: 1 }]);
    expect(ladderOf(limits({ lowestRung: 3 }, { rung: 2, rateHz: 1 }))).toEqual([
      { rateHz: 1, rung: 2 },
      { rateHz: 1, rung: 3 },
    ]);
    expect(ladderOf(limits({ lowestRung: 3 }, { lowestUsable: 1 })).every((step) => step.rung === 1)).toBe(true);
  });
});

describe('the governor', () => {
  it('lowers the rate as far as the excess of CPU asks for, and says why', () => {
    const { state, reason } = govern(CALM, limits(), usage(12), 0);
    expect(at(state)).toEqual({ rateHz: 10, rung: 1 });
    expect(reason).toBe('CPU 12 % of one core over 10 s, the budget is 10 %');
    expect(at(govern(CALM, limits(), usage(38), 0).state)).toEqual({ rateHz: 5, rung: 1 });
    // Far over: the lowest rate, but no rung before that rate was tried.
    expect(at(govern(CALM, limits(), usage(10_000), 0).state)).toEqual({ rateHz: 3, rung: 1 });
  });

  it('goes one step down for memory, and lowers the rung once the rate is at its lowest', () => {
    let state: GovernorState = CALM;
    const steps = [];
    for (let i = 1; i <= 5; i++) {
      const decision = govern(state, limits(), usage(1, 500), i * 10_000);
      state = decision.state;
      steps.push([at(state).rateHz, at(state).rung, decision.reason]);
    }
    const why = 'memory 500 MiB, the budget is 400 MiB';
    expect(steps).toEqual([
      [10, 1, why],
      [5, 1, why],
      [3, 1, why],
      [3, 2, why],
      [3, 2, ''],
    ]);
    expect(state.over).toBe(true);
  });

  it('is over its budget until there is room, so that what hovers about it is told once', () => {
    const tight = limits({ lowestRung: 1, minRateHz: 19 });
    let state: GovernorState = CALM;
    const over = [9.9, 10.1, 9.9, 10.1, 8.4, 9.9].map((cpu, i) => {
      state = govern(state, tight, usage(cpu), i * 10_000).state;
      return state.over;
    });
    expect(over).toEqual([false, true, true, true, false, false]);
  });

  it('restores one step after a calm period, and only where the next step is expected to fit', () => {
    let state = govern(CALM, limits(), usage(38), 0).state;
    const run = (cpu: number, from: number, to: number) => {
      for (let now = from; now < to; now += 10_000) state = govern(state, limits(), usage(cpu), now).state;
    };
    run(5, 0, 1_000_000); // 10 Hz would need 10 %.
    expect(at(state).rateHz).toBe(5);
    run(3, 1_000_000, 1_100_000);
    expect(at(state).rateHz).toBe(5);
    run(3, 1_100_000, 1_110_000);
    expect(at(state).rateHz).toBe(10);
  });

  it('waits twice as long each time that a step up was too much', () => {
    let state = govern(CALM, limits(), usage(12), 0).state;
    let now = 0;
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      const begin = now;
      // The better step costs more than anybody could know.
      while (state.step > 0) state = govern(state, limits(), usage(2), (now += 10_000)).state;
      waits.push(Math.round((now - begin) / 100_000));
      state = govern(state, limits(), usage(12), (now += 10_000)).state;
    }
    expect(waits).toEqual([1, 2, 4, 8]);
    // A step up that lasts makes it forget.
    while (state.step > 0) state = govern(state, limits(), usage(2), (now += 10_000)).state;
    for (let i = 0; i < 1000; i++) state = govern(state, limits(), usage(2), (now += 10_000)).state;
    expect(state.patience).toBe(1);
  });

  it('does nothing without a limit', () => {
    const none = limits({ cpuPercent: null, memoryMib: null });
    expect(govern(CALM, none, usage(1e6, 1e6), 0)).toEqual({ state: CALM, reason: '' });
  });

  it('keeps what it lowered when the configuration changes, and comes up step by step', () => {
    const lowered = govern(CALM, limits(), usage(12), 0).state; // 10 Hz
    expect(at(retarget(lowered, limits(), limits({ cpuPercent: 1000 })))).toEqual({ rateHz: 10, rung: 1 });
    const fast = limits({}, { rateHz: 99 });
    expect(at(retarget(lowered, limits(), fast), fast).rateHz).toBe(7);
    const slow = limits({}, { rateHz: 7 });
    expect(retarget(lowered, limits(), slow).step).toBe(0);
    expect(retarget(CALM, limits(), fast).step).toBe(0);
    const narrow = limits({ minRateHz: 19, lowestRung: 1 });
    expect(retarget(lowered, limits(), narrow).step).toBe(0);
  });
});

/** mulberry32: a run can be repeated by its seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('on nodes of every kind', () => {
  const NODES = 150;

  /** Runs a node for `hours`; every change of its step, with what it was over or below. */
  function life(cost: (rate: number, rung: number, now: number) => Usage, of: Limits, hours: number) {
    const ladder = ladderOf(of);
    const lowest = Math.min(of.budget.minRateHz, of.rateHz);
    let state: GovernorState = CALM;
    const changes: Array<{ now: number; from: number; to: number }> = [];
    for (let now = 0; now < hours * 3_600_000; now += of.budget.windowSeconds * 1000) {
      const { rateHz, rung } = ladder[state.step]!;
      const decision = govern(state, of, cost(rateHz, rung, now), now);
      if (decision.state.step !== state.step) changes.push({ now, from: state.step, to: decision.state.step });
      // Plain comparisons: there are millions of them.
      if ((decision.reason !== '') !== (decision.state.step !== state.step)) throw new Error(`no reason at ${now}`);
      state = decision.state;
      const step = ladder[state.step]!;
      if (step.rateHz < lowest || step.rateHz > of.rateHz || step.rung > Math.max(of.budget.lowestRung, of.rung))
        throw new Error(`${JSON.stringify(step)} is out of bounds`);
    }
    return { state, changes };
  }
  const someLimits = (next: () => number) => {
    const budget = { cpuPercent: 0.5 + 20 * next(), calmSeconds: Math.round(30 + 600 * next()), windowSeconds: 30 };
    const lowestRung = 1 + Math.floor(3 * next());
    return limits(
      { ...budget, lowestRung, minRateHz: 1 + Math.floor(9 * next()) },
      { rateHz: 1 + Math.floor(300 * next()) },
    );
  };

  it('comes to rest below the budget where cost grows with the rate, and never moves again', () => {
    for (let seed = 1; seed <= NODES; seed++) {
      const next = random(seed);
      const of = someLimits(next);
      const [fixed, each] = [next() * of.budget.cpuPercent!, next() * next()];
      const cost = (rate: number) => usage((fixed + each * rate) * (1 + 0.1 * (next() - 0.5)));
      const { state, changes } = life(cost, of, 24);
      const ladder = ladderOf(of);
      // Down within the first windows, up again at most where the first look was too careful; nothing after the first hours.
      expect(changes.filter((c) => c.to > c.from).length, `seed ${seed}`).toBeLessThanOrEqual(ladder.length);
      expect(
        changes.filter((c) => c.now > 12 * 3_600_000),
        `seed ${seed}`,
      ).toEqual([]);
      const { rateHz } = ladder[state.step]!;
      if (state.step < ladder.length - 1)
        expect(fixed + each * rateHz, `seed ${seed}`).toBeLessThan(1.06 * of.budget.cpuPercent!);
    }
  });

  it('never goes up twice within the calm period, nor up at all before it, whatever the cost does', () => {
    for (let seed = 1; seed <= NODES; seed++) {
      const next = random(seed);
      const of = someLimits(next);
      const cost = () => usage(next() < 0.5 ? 40 * next() : of.budget.cpuPercent! * next(), 800 * next() ** 3);
      const { changes } = life(cost, of, 4);
      const calm = of.budget.calmSeconds * 1000;
      changes.forEach((change, i) => {
        const before = changes[i - 1];
        if (change.to < change.from) {
          expect(change.from - change.to).toBe(1);
          expect(change.now - (before?.now ?? 0), `seed ${seed}`).toBeGreaterThanOrEqual(calm);
        }
      });
    }
  });

  it('tries a better step that cannot last ever more rarely', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const next = random(seed);
      const of = limits({ calmSeconds: 60, windowSeconds: 30, lowestRung: 2, minRateHz: 19 });
      // The worse rung costs nearly nothing, so that it looks as if there were room.
      const cost = (_: number, rung: number) => usage(rung === 1 ? 20 + next() : next());
      const { changes } = life(cost, of, 24);
      expect(changes.length, `seed ${seed}`).toBeLessThan(60);
    }
  });
});
