import type { Clock } from './clock.ts';
import type { SamplerHello, SamplerLog, SamplerStats } from './messages.ts';
import type { WantedRung } from './rung-ladder.ts';
import type { StartedSampler } from './started-sampler.ts';
import type { Window } from './window.ts';

export type SamplerRung = 1 | 2 | 3 | 4;

export interface SuperviseOptions {
  readonly binary: string;
  /** `auto` starts at the top of the ladder. */
  readonly rung?: WantedRung;
  readonly rateHz: number;
  readonly windowSeconds: number;
  /** Blocked time, too. */
  readonly offCpu?: boolean;
  /** Appended to the arguments made from the fields above. */
  readonly args?: readonly string[] | undefined;
  /** First and longest wait before a restart, milliseconds; it doubles in between. */
  readonly backoffMs?: { readonly min: number; readonly max: number };
  /** So many crashes of one rung within `crashWindowMs` move down the ladder. */
  readonly crashLimit?: number;
  readonly crashWindowMs?: number;
  /** How long rung 4 (no sampling) lasts before the ladder is tried from its top again, milliseconds. */
  readonly retryMs?: number;
  /** A sampler that wrote nothing for so long (by default three windows) is hung: it is killed and counts as crashed. Milliseconds. */
  readonly silenceMs?: number;
  /** After so long without a crash the rung above is tried again; it doubles, up to a day, when that crashes. Milliseconds. */
  readonly peaceMs?: number;
  readonly clock?: Clock;
  readonly stopMs?: number;
  /** Taken over by the first run if it is as that one would be, ended otherwise. */
  readonly started?: StartedSampler | undefined;
}

export interface SamplerCrash {
  readonly rung: SamplerRung;
  readonly signal: string;
  readonly code: number | null;
  readonly lastLog: string;
  readonly uptimeMs: number;
  /** All of it in one line. */
  readonly message: string;
}

export interface SupervisorState {
  readonly rung: SamplerRung;
  /** Why this rung and none above it, and for rung 4 what would fix it; "" on the best one. */
  readonly reason: string;
  readonly running: boolean;
  readonly restarts: number;
  /** Message of the last crash, "" when there was none. */
  readonly lastExit: string;
  readonly hello: SamplerHello | null;
}

/** What may change while a sampler runs. */
export interface SamplerSettings {
  /** Takes effect in the running sampler. */
  readonly rateHz: number;
  /** A change of these restarts it; the window that it was in is handed over before. */
  readonly windowSeconds: number;
  readonly offCpu: boolean;
  readonly rung: WantedRung;
  /** Why it is this rung, for the state; "" where it needs no reason. */
  readonly rungReason: string;
}

export interface SupervisorEvents {
  /** A run began: its cumulative counts start at zero. */
  hello: [SamplerHello];
  window: [Window];
  stats: [SamplerStats];
  log: [SamplerLog];
  crash: [SamplerCrash];
  rung: [{ from: SamplerRung; to: SamplerRung; reason: string }];
}
