import type { Budget } from '@perfleet/fleet-config';

/** What collector and sampler cost, over one whole measuring window. */
export interface Usage {
  /** Percent of one core. */
  readonly cpuPercent: number;
  readonly memoryMib: number;
}

/** What the governor may do on this node. */
export interface Limits {
  readonly budget: Budget;
  /** As configured. */
  readonly rateHz: number;
  /** The rung that runs while the governor does not lower it. */
  readonly rung: number;
  /** Rungs below this one were found not to run here. */
  readonly lowestUsable: number;
}

export interface Step {
  readonly rateHz: number;
  readonly rung: number;
}

/** Times are milliseconds of a clock that never goes back. */
export interface GovernorState {
  /** Index into `ladderOf(limits)`; 0 = as configured. */
  readonly step: number;
  /** There was room for the next step up since then; null = there was none. */
  readonly calmSince: number | null;
  /** When the last step up was. */
  readonly raisedAt: number;
  /** The calm that a step up needs is so many times `calmSeconds`: it doubles when a step up turns out to be too much. */
  readonly patience: number;
  /** A judgement found this step over budget, and none since found room. */
  readonly over: boolean;
}

export interface Decision {
  readonly state: GovernorState;
  /** Why the step changed; "" when it did not. */
  readonly reason: string;
}

export const CALM: GovernorState = { step: 0, calmSince: null, raisedAt: -Infinity, patience: 1, over: false };

/** A step up must be expected to need no more than this part of the budget: what fluctuates by less does not bring it down again. */
const ROOM = 0.85;
/** What a better rung is expected to cost, as a multiple: it cannot be known before. */
const RUNG_COST = 1.5;
const MAX_PATIENCE = 64;

/** Steps from what is configured to the least: first the rate is halved down to its lowest, then worse rungs are used. */
export function ladderOf({ budget, rateHz, rung, lowestUsable }: Limits): Step[] {
  const lowest = Math.min(budget.minRateHz, rateHz);
  const steps: Step[] = [{ rateHz, rung }];
  for (let rate = rateHz; rate > lowest;) {
    rate = Math.max(lowest, Math.ceil(rate / 2));
    steps.push({ rateHz: rate, rung });
  }
  for (let next = rung + 1; next <= Math.min(budget.lowestRung, lowestUsable); next++) {
    steps.push({ rateHz: lowest, rung: next });
  }
  return steps;
}

/**
 * What follows from the cost of one measuring window, all of which was spent on the current step.
 *
 *   over budget ─▶ down: as many halvings of the rate as the excess asks for, or one rung
 *   room for the next step up, for `calmSeconds` × patience ─▶ one step up
 *   over budget again soon after a step up ─▶ patience doubles; it is forgotten once a step up has lasted
 */
export function govern(state: GovernorState, limits: Limits, usage: Usage, now: number): Decision {
  const ladder = ladderOf(limits);
  const step = Math.min(state.step, ladder.length - 1);
  const { budget } = limits;
  const calmMs = budget.calmSeconds * 1000 * state.patience;
  const recent = now - state.raisedAt < 2 * calmMs;
  const patience = recent ? state.patience : 1;

  const excess = excessOf(usage, budget);
  if (excess.times > 1) {
    const next = stepDown(ladder, step, excess);
    const quiet = { ...state, step, calmSince: null, over: true, patience };
    if (next === step) return { state: quiet, reason: '' };
    const longer = recent ? Math.min(MAX_PATIENCE, state.patience * 2) : 1;
    return { state: { ...quiet, step: next, patience: longer, over: false }, reason: excess.reason };
  }

  const above = ladder[step - 1];
  // What hovers about its budget is told once.
  const calm = { ...state, step, over: state.over && excess.times > ROOM, patience };
  if (!above || !roomFor(above, ladder[step]!, usage, budget))
    return { state: { ...calm, calmSince: null }, reason: '' };
  const calmSince = state.calmSince ?? now;
  if (now - calmSince < calmMs) return { state: { ...calm, calmSince }, reason: '' };
  const reason = `below the budget with room to spare for ${Math.round((now - calmSince) / 1000)} s (${usageText(usage)})`;
  return { state: { ...calm, step: step - 1, calmSince: null, raisedAt: now, patience: state.patience }, reason };
}

/** The configuration changed: never up at once, except to what is configured now when that is less. */
export function retarget(state: GovernorState, before: Limits, after: Limits): GovernorState {
  const start = { ...CALM, raisedAt: state.raisedAt };
  if (state.step === 0) return start;
  const old = ladderOf(before);
  const at = old[Math.min(state.step, old.length - 1)]!;
  const ladder = ladderOf(after);
  const found = ladder.findIndex((s) => s.rateHz <= at.rateHz && s.rung >= at.rung);
  return { ...start, step: found < 0 ? ladder.length - 1 : found };
}

interface Excess {
  /** Above 1 = over budget. */
  readonly times: number;
  readonly what: 'cpu' | 'memory';
  readonly reason: string;
}

function excessOf(usage: Usage, { cpuPercent, memoryMib, windowSeconds }: Budget): Excess {
  const cpu = cpuPercent === null ? 0 : usage.cpuPercent / cpuPercent;
  const memory = memoryMib === null ? 0 : usage.memoryMib / memoryMib;
  const said: string[] = [];
  if (cpu > 1)
    said.push(`CPU ${number(usage.cpuPercent)} % of one core over ${windowSeconds} s, the budget is ${cpuPercent} %`);
  if (memory > 1) said.push(`memory ${number(usage.memoryMib)} MiB, the budget is ${memoryMib} MiB`);
  return { times: Math.max(cpu, memory), what: cpu > 1 ? 'cpu' : 'memory', reason: said.join('; ') };
}

/** CPU follows the rate, so one look can tell how far down; memory hardly does. */
function stepDown(ladder: readonly Step[], step: number, { times, what }: Excess): number {
  const last = ladder.length - 1;
  if (step >= last) return step;
  const here = ladder[step]!;
  const enough = (s: Step) => s.rateHz * times <= here.rateHz;
  let next = step + 1;
  while (what === 'cpu' && next < last && !enough(ladder[next]!) && ladder[next + 1]!.rung === here.rung) next++;
  return next;
}

function roomFor(above: Step, here: Step, usage: Usage, { cpuPercent, memoryMib }: Budget): boolean {
  const cost = (above.rateHz / here.rateHz) * (above.rung === here.rung ? 1 : RUNG_COST);
  const cpu = cpuPercent === null || usage.cpuPercent * cost <= ROOM * cpuPercent;
  return cpu && (memoryMib === null || usage.memoryMib <= ROOM * memoryMib);
}

export function usageText({ cpuPercent, memoryMib }: Usage): string {
  return `CPU ${number(cpuPercent)} % of one core, memory ${number(memoryMib)} MiB`;
}

function number(value: number): string {
  return String(Number(value.toPrecision(3)));
}
