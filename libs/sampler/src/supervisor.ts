import { EventEmitter } from 'node:events';
import { systemClock, type Clock } from './clock.ts';
import type { SamplerHello, SamplerLog, SamplerStats } from './messages.ts';
import { OomKills } from './oom-kills.ts';
import { spawnSampler, type SamplerExit, type SamplerProcess } from './sampler-process.ts';
import type { Window } from './window.ts';

export type SamplerRung = 1 | 2 | 3 | 4;

export interface SuperviseOptions {
  readonly binary: string;
  /** `auto` starts at the top of the ladder. */
  readonly rung?: 'auto' | 1 | 2 | 3;
  readonly rateHz: number;
  readonly windowSeconds: number;
  /** Appended to the arguments made from the fields above. */
  readonly args?: readonly string[];
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

interface SupervisorEvents {
  /** A run began: its cumulative counts start at zero. */
  hello: [SamplerHello];
  window: [Window];
  stats: [SamplerStats];
  log: [SamplerLog];
  crash: [SamplerCrash];
  rung: [{ from: SamplerRung; to: SamplerRung; reason: string }];
}

/** A sampler of one-second windows on a machine on its knees is not hung. */
const MIN_SILENCE_MS = 10_000;
/** A rung that keeps crashing is still tried once a day. */
const MAX_PEACE_MS = 86_400_000;

/** The child cannot run at all, whatever the rung. */
const CANNOT_RUN = new Set(['ENOENT', 'EACCES', 'EPERM', 'ENOEXEC', 'ENOTDIR', 'UNKNOWN']);

/**
 * Keeps a sampler running. Whatever becomes of it is state and events; nothing here throws.
 *
 *   run ──exit──▶ crash recorded ──backoff──▶ run          crashLimit crashes of one rung: the next rung down
 *    └──spawn fails, or crashes on rung 3──▶ rung 4 ──retryMs──▶ run from the configured rung
 *   run below the configured rung ──peaceMs without a crash──▶ run on the rung above
 */
export class Supervisor extends EventEmitter<SupervisorEvents> {
  private readonly options: Required<SuperviseOptions>;
  private process: SamplerProcess | null = null;
  /** Take back what is to come: the next run, the end of patience with a silent child, the climb. */
  private timer: (() => void) | null = null;
  private watchdog: (() => void) | null = null;
  private climb: (() => void) | null = null;
  private oomKills: OomKills | null = null;
  private peaceMs: number;
  /** When the last climb was; a crash soon after makes the next one wait longer. */
  private climbedAt = -Infinity;
  private stopped = false;
  private crashes: Array<{ rung: SamplerRung; at: number }> = [];
  private failures = 0;
  /** The rung that the next run is told to start at; 1 = let it choose. */
  private floor: 1 | 2 | 3;
  private floorReason = '';
  private rateHz: number;
  /** Why the next change of rung is one upwards. */
  private climbReason = '';
  private current: SupervisorState;

  constructor(options: SuperviseOptions) {
    super();
    const defaults = {
      rung: 'auto',
      args: [],
      backoffMs: { min: 500, max: 30_000 },
      crashLimit: 3,
      stopMs: 2000,
    } as const;
    const times = {
      crashWindowMs: 300_000,
      retryMs: 300_000,
      silenceMs: Math.max(MIN_SILENCE_MS, options.windowSeconds * 3000),
      peaceMs: 3_600_000,
    };
    this.options = { ...defaults, ...times, clock: systemClock, ...definedOnly(options) };
    this.peaceMs = this.options.peaceMs;
    this.rateHz = options.rateHz;
    this.floor = this.firstRung();
    this.current = { rung: this.floor, reason: '', running: false, restarts: 0, lastExit: '', hello: null };
  }

  get state(): SupervisorState {
    return this.current;
  }

  start(): void {
    if (!this.stopped && !this.process && !this.timer) this.run();
  }

  /** Kept for later runs too. */
  setRate(rateHz: number): void {
    this.rateHz = rateHz;
    this.process?.setRate(rateHz);
  }

  /** The last window arrives before this resolves. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const cancel of [this.timer, this.watchdog, this.climb]) cancel?.();
    this.timer = null;
    await this.process?.stop();
  }

  private firstRung(): 1 | 2 | 3 {
    return this.options.rung === 'auto' ? 1 : this.options.rung;
  }

  private run(): void {
    if (this.stopped) return;
    const { binary, windowSeconds, args, stopMs } = this.options;
    const rung = this.options.rung === 'auto' && this.floor === 1 ? 'auto' : String(this.floor);
    const fixed = ['--rate', String(this.rateHz), '--window', String(windowSeconds), '--rung', rung];
    let child: SamplerProcess;
    try {
      child = spawnSampler({ binary, args: [...fixed, ...args], stopMs });
    } catch (error) {
      this.onSpawnFailure(error as NodeJS.ErrnoException);
      return;
    }
    this.process = child;
    this.watch(child);
    child.on('hello', (hello) => this.onHello(hello));
    child.on('window', (window) => {
      this.watch(child);
      this.failures = 0;
      this.emit('window', window);
    });
    child.on('stats', (stats) => {
      this.watch(child);
      this.emit('stats', stats);
    });
    child.on('log', (log) => this.emit('log', log));
    child.on('exit', (exit) => this.onExit(exit));
  }

  private watch(child: SamplerProcess): void {
    this.watchdog?.();
    const { silenceMs, clock } = this.options;
    this.watchdog = clock.after(silenceMs, () => child.kill(`wrote nothing for ${silenceMs} ms`));
  }

  private onHello(hello: SamplerHello): void {
    const tried = hello.tried.map((t) => `rung ${t.rung}: ${t.error}`).join('; ');
    const reason = [this.floorReason, hello.reason, hello.reason.includes(tried) ? '' : tried]
      .filter(Boolean)
      .join('; ');
    this.current = { ...this.current, running: true, hello };
    this.oomKills = new OomKills(this.process?.pid);
    this.moveTo(hello.rung as SamplerRung, reason);
    this.waitForPeace();
    this.emit('hello', hello);
  }

  private onExit(exit: SamplerExit): void {
    this.watchdog?.();
    const hello = this.current.running ? this.current.hello : null;
    this.process = null;
    this.current = { ...this.current, running: false };
    if (exit.requested || this.stopped) return;
    const code = (exit.error as NodeJS.ErrnoException | null)?.code;
    if (exit.error && code !== undefined && CANNOT_RUN.has(code)) return this.onSpawnFailure(exit.error);
    if (hello?.rung === 4) return this.schedule(this.options.retryMs);
    this.onCrash(exit, (hello?.rung ?? this.floor) as SamplerRung);
  }

  private onCrash(exit: SamplerExit, rung: SamplerRung): void {
    const how = exit.error?.message ?? this.endOf(exit);
    const said = exit.lastLog ? `, last log line: ${exit.lastLog}` : '';
    const message = `sampler on rung ${rung} ended by ${how} after ${(exit.uptimeMs / 1000).toFixed(1)} s${said}`;
    const restarts = this.current.restarts + 1;
    this.current = { ...this.current, restarts, lastExit: message.slice(0, 500) };
    const { code, lastLog, uptimeMs } = exit;
    this.emit('crash', { rung, signal: exit.signal ?? '', code, lastLog, uptimeMs, message });

    const now = this.options.clock.now();
    this.crashes = this.crashes.filter((c) => now - c.at < this.options.crashWindowMs);
    this.crashes.push({ rung, at: now });
    const crashes = this.crashes.filter((c) => c.rung === rung).length;
    if (crashes >= this.options.crashLimit) {
      this.crashes = [];
      this.failures = 0;
      const why = `rung ${rung} crashed ${crashes} times within ${this.options.crashWindowMs / 1000} s (${how}${said})`;
      if (rung >= 3) return this.onNothingRuns(`${why}; it is tried again every ${this.options.retryMs / 1000} s`);
      const again = now - this.climbedAt < this.options.crashWindowMs;
      this.peaceMs = again ? Math.min(MAX_PEACE_MS, this.peaceMs * 2) : this.options.peaceMs;
      this.floor = (rung + 1) as 2 | 3;
      this.floorReason = why;
      this.moveTo(this.floor, why);
    }
    const { min, max } = this.options.backoffMs;
    this.schedule(Math.min(max, min * 2 ** Math.min(this.failures++, 16)));
  }

  private endOf({ signal, code }: SamplerExit): string {
    if (!signal) return `exit code ${code}`;
    if (signal !== 'SIGKILL') return `signal ${signal}`;
    const kills = this.oomKills?.since() ?? 0;
    return kills > 0
      ? 'signal SIGKILL: out of memory in its cgroup; raise its memory limit'
      : 'signal SIGKILL from outside';
  }

  /** Below the configured rung: the one above is tried after a time without a crash. */
  private waitForPeace(): void {
    this.climb?.();
    this.climb = null;
    if (this.floor <= this.firstRung()) return;
    this.climb = this.options.clock.after(this.peaceMs, () => {
      this.climb = null;
      if (this.stopped || this.floor <= this.firstRung()) return;
      const child = this.process;
      this.floor = (this.floor - 1) as 1 | 2;
      this.floorReason = '';
      this.climbedAt = this.options.clock.now();
      this.climbReason = `no crash for ${Math.round(this.peaceMs / 60_000)} min, rung ${this.floor} is tried again`;
      // Without a child its restart is on the way, and takes the new rung.
      void child?.stop().then(() => this.run());
    });
  }

  private onSpawnFailure(error: NodeJS.ErrnoException): void {
    const { binary } = this.options;
    const missing = error.code === 'ENOENT';
    const cause = missing
      ? `sampler ${binary} does not exist`
      : `sampler ${binary} cannot be executed (${error.code ?? error.message})`;
    const fix = missing
      ? 'build it with `npm run setup` or name it with PERFLEET_SAMPLER_BINARY'
      : 'make it an executable for this machine (`npm run setup` builds it) on a file system without noexec';
    this.onNothingRuns(`${cause}; ${fix}`);
  }

  private onNothingRuns(reason: string): void {
    this.floor = this.firstRung();
    this.floorReason = '';
    this.moveTo(4, reason);
    this.schedule(this.options.retryMs);
  }

  private moveTo(rung: SamplerRung, reason: string): void {
    const { rung: from, reason: before } = this.current;
    this.current = { ...this.current, rung, reason: reason.slice(0, 2000) };
    const why = [this.climbReason, reason].filter(Boolean).join('; ');
    this.climbReason = '';
    if (from !== rung || (rung === 4 && before !== this.current.reason))
      this.emit('rung', { from, to: rung, reason: why });
  }

  private schedule(ms: number): void {
    if (this.stopped) return;
    this.timer = this.options.clock.after(ms, () => {
      this.timer = null;
      this.run();
    });
  }
}

export function superviseSampler(options: SuperviseOptions): Supervisor {
  return new Supervisor(options);
}

function definedOnly<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}
