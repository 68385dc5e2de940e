import { EventEmitter } from 'node:events';
import { systemClock } from './clock.ts';
import type { ExclusionChange } from './exclusions.ts';
import type { SamplerHello } from './messages.ts';
import { OomKills } from './oom-kills.ts';
import { RungLadder } from './rung-ladder.ts';
import { spawnSampler, type SamplerExit, type SamplerProcess } from './sampler-process.ts';
import { isSameRun, samplerArguments, type RunSettings, type StartedSampler } from './started-sampler.ts';
import type {
  SamplerRung,
  SamplerSettings,
  SuperviseOptions,
  SupervisorEvents,
  SupervisorState,
} from './supervision.ts';

/** A sampler of one-second windows on a machine on its knees is not hung. */
const MIN_SILENCE_MS = 10_000;
const READ_MS = 500;

/** Settings that a running sampler does not take up. */
const RESTARTING = ['rung', 'windowSeconds', 'offCpu'] as const;

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
  private readonly options: Required<Omit<SuperviseOptions, 'started'>>;
  private readonly ladder: RungLadder;
  private settings: SamplerSettings;
  private process: SamplerProcess | null = null;
  private started: StartedSampler | undefined;
  /** Take back what is to come: the next run, the end of patience with a silent child, the climb. */
  private timer: (() => void) | null = null;
  private watchdog: (() => void) | null = null;
  private climb: (() => void) | null = null;
  private oomKills: OomKills | null = null;
  /** A child is on its way out, and the next run follows it at once. */
  private restarting = false;
  private stopped = false;
  private failures = 0;
  /** Why the next change of rung is one upwards. */
  private climbReason = '';
  private current: SupervisorState;

  constructor({ started, ...options }: SuperviseOptions) {
    super();
    this.started = started;
    const defaults = {
      rung: 'auto',
      offCpu: false,
      args: [],
      backoffMs: { min: 500, max: 30_000 },
      crashLimit: 3,
      stopMs: 2000,
    } as const;
    const times = {
      crashWindowMs: 300_000,
      retryMs: 300_000,
      silenceMs: 0,
      peaceMs: 3_600_000,
    };
    this.options = { ...defaults, ...times, clock: systemClock, ...definedOnly(options) };
    const { rung, rateHz, windowSeconds, offCpu } = this.options;
    this.settings = { rung, rateHz, windowSeconds, offCpu, rungReason: '' };
    this.ladder = new RungLadder(rung, this.options);
    this.current = { rung: this.ladder.rung, reason: '', running: false, restarts: 0, lastExit: '', hello: null };
  }

  get state(): SupervisorState {
    return this.current;
  }

  start(): void {
    if (!this.stopped && !this.process && !this.timer) this.run();
  }

  /** Kept for later runs too. Nothing but what differs takes effect. */
  configure(change: Partial<SamplerSettings>): void {
    const before = this.settings;
    const now = (this.settings = { ...before, ...change });
    if (now.rung !== before.rung) this.ladder.want(now.rung);
    if (now.rateHz !== before.rateHz) this.process?.setRate(now.rateHz);
    if (RESTARTING.some((key) => now[key] !== before[key])) this.restart();
  }

  setRate(rateHz: number): void {
    this.configure({ rateHz });
  }

  /** For the running sampler only: one that begins excludes nothing. */
  exclude(change: ExclusionChange): void {
    this.process?.exclude(change);
  }

  /** The last window arrives before this resolves. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const cancel of [this.timer, this.watchdog, this.climb]) cancel?.();
    this.timer = null;
    await (this.process ?? this.started?.process)?.stop(this.options.stopMs);
  }

  private run(): void {
    if (this.stopped) return;
    const { binary, args, stopMs } = this.options;
    const { rateHz, windowSeconds, offCpu } = this.settings;
    const settings = { rateHz, windowSeconds, offCpu, rung: this.ladder.argument };
    let child: SamplerProcess;
    try {
      child =
        this.takeOver(settings) ?? spawnSampler({ binary, args: [...samplerArguments(settings), ...args], stopMs });
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
    child.release();
  }

  /** The sampler that runs already, if it does what this run should. */
  private takeOver(settings: RunSettings): SamplerProcess | undefined {
    const { started } = this;
    this.started = undefined;
    if (!started) return undefined;
    if (!isSameRun(started.settings, settings)) {
      void started.process.stop(this.options.stopMs);
      return undefined;
    }
    if (started.settings.rateHz !== settings.rateHz) started.process.setRate(settings.rateHz);
    return started.process;
  }

  /** Without a child its next run is on the way and takes the new settings; where nothing ran, it is tried at once. */
  private restart(): void {
    const child = this.process;
    if (!child && this.timer && this.current.rung === 4) {
      this.timer();
      this.timer = null;
      return this.run();
    }
    if (!child || this.restarting) return;
    this.restarting = true;
    void child.stop(this.options.stopMs).then(() => {
      this.restarting = false;
      this.run();
    });
  }

  private watch(child: SamplerProcess): void {
    this.watchdog?.();
    const { clock } = this.options;
    const silenceMs = this.options.silenceMs || Math.max(MIN_SILENCE_MS, this.settings.windowSeconds * 3000);
    const kill = () => child.kill(`wrote nothing for ${silenceMs} ms`);
    // Work on a window can take that long where others have the CPU: what came meanwhile is read before the sampler is judged.
    this.watchdog = clock.after(silenceMs, () => (this.watchdog = clock.after(READ_MS, kill)));
  }

  private onHello(hello: SamplerHello): void {
    const tried = hello.tried.map((t) => `rung ${t.rung}: ${t.error}`).join('; ');
    const reason = [
      this.settings.rungReason,
      this.ladder.reason,
      hello.reason,
      hello.reason.includes(tried) ? '' : tried,
    ]
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
    this.onCrash(exit, (hello?.rung ?? this.ladder.rung) as SamplerRung);
  }

  private onCrash(exit: SamplerExit, rung: SamplerRung): void {
    const how = exit.error?.message ?? this.endOf(exit);
    const said = exit.lastLog ? `, last log line: ${exit.lastLog}` : '';
    const message = `sampler on rung ${rung} ended by ${how} after ${(exit.uptimeMs / 1000).toFixed(1)} s${said}`;
    const restarts = this.current.restarts + 1;
    this.current = { ...this.current, restarts, lastExit: message.slice(0, 500) };
    const { code, lastLog, uptimeMs } = exit;
    this.emit('crash', { rung, signal: exit.signal ?? '', code, lastLog, uptimeMs, message });

    const { next, why } = this.ladder.crashed(rung, `${how}${said}`, this.options.clock.now());
    if (next !== 'same') this.failures = 0;
    if (next === 'none') return this.onNothingRuns(`${why}; it is tried again every ${this.options.retryMs / 1000} s`);
    if (next === 'down') this.moveTo(this.ladder.rung, why);
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
    const { peaceMs } = this.ladder;
    if (peaceMs === null) return;
    this.climb = this.options.clock.after(peaceMs, () => {
      this.climb = null;
      if (this.stopped || this.ladder.peaceMs === null) return;
      this.climbReason = this.ladder.climb(this.options.clock.now());
      this.restart();
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
    this.ladder.reset();
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
