export type StartRung = 1 | 2 | 3;
/** `auto` = the best that the machine can. */
export type WantedRung = 'auto' | StartRung;

/** From a flag or a variable. */
export function wantedRung(text: WantedRung | '1' | '2' | '3'): WantedRung {
  return text === 'auto' ? 'auto' : (Number(text) as StartRung);
}

export interface RungLadderOptions {
  /** So many crashes of one rung within `crashWindowMs` move down the ladder. */
  readonly crashLimit: number;
  readonly crashWindowMs: number;
  /** After so long without a crash the rung above is tried again. */
  readonly peaceMs: number;
}

/** A rung that keeps crashing is still tried once a day. */
const MAX_PEACE_MS = 86_400_000;

/** Which rung the next run of a sampler starts at, from what was asked for and from its crashes. Times in milliseconds of one clock. */
export class RungLadder {
  /** The best rung that did not crash. */
  private floor: StartRung = 1;
  private why = '';
  private crashes: Array<{ rung: number; at: number }> = [];
  private waitMs: number;
  /** When the last climb was; a crash soon after makes the next one wait longer. */
  private climbedAt = -Infinity;

  constructor(
    private wanted: WantedRung,
    private readonly options: RungLadderOptions,
  ) {
    this.waitMs = options.peaceMs;
  }

  get rung(): StartRung {
    return Math.max(this.best, this.floor) as StartRung;
  }

  /** Why the next run starts below the rung that was asked for; "" when it does not. */
  get reason(): string {
    return this.floor > this.best ? this.why : '';
  }

  /** For the sampler's `--rung`. */
  get argument(): WantedRung {
    return this.wanted === 'auto' && this.floor === 1 ? 'auto' : this.rung;
  }

  /** How long there must be peace until the rung above is tried; null = this is the best. */
  get peaceMs(): number | null {
    return this.floor > this.best ? this.waitMs : null;
  }

  /** Rungs that crashed stay out of reach, whatever is asked for. */
  want(rung: WantedRung): void {
    this.wanted = rung;
  }

  /** Forgets where it was: the ladder is tried from its top. */
  reset(): void {
    this.floor = 1;
    this.why = '';
  }

  /** @returns whether the next run starts at the same rung, one further down, or whether there is none left */
  crashed(rung: number, how: string, now: number): { readonly next: 'same' | 'down' | 'none'; readonly why: string } {
    const { crashLimit, crashWindowMs, peaceMs } = this.options;
    this.crashes = this.crashes.filter((c) => now - c.at < crashWindowMs);
    this.crashes.push({ rung, at: now });
    const count = this.crashes.filter((c) => c.rung === rung).length;
    if (count < crashLimit) return { next: 'same', why: '' };
    this.crashes = [];
    const why = `rung ${rung} crashed ${count} times within ${crashWindowMs / 1000} s (${how})`;
    if (rung >= 3) return { next: 'none', why };
    this.waitMs = now - this.climbedAt < crashWindowMs ? Math.min(MAX_PEACE_MS, this.waitMs * 2) : peaceMs;
    this.floor = (rung + 1) as StartRung;
    this.why = why;
    return { next: 'down', why };
  }

  /** There was peace: the rung above is next. @returns why */
  climb(now: number): string {
    this.floor = Math.max(1, this.floor - 1) as StartRung;
    this.why = '';
    this.climbedAt = now;
    return `no crash for ${Math.round(this.waitMs / 60_000)} min, rung ${this.rung} is tried again`;
  }

  private get best(): StartRung {
    return this.wanted === 'auto' ? 1 : this.wanted;
  }
}
