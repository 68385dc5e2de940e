import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { decodeWindow } from './decode-window.ts';
import { FRAME_TYPES, FrameReader, type Frame } from './frames.ts';
import {
  decodeJson,
  helloSchema,
  logSchema,
  statsSchema,
  type SamplerHello,
  type SamplerLog,
  type SamplerStats,
} from './messages.ts';
import { exclusionCommands, type ExclusionChange } from './exclusions.ts';
import type { Window } from './window.ts';

export interface SpawnSamplerOptions {
  /** Executable; see `samplerBinaryPath`. */
  readonly binary: string;
  readonly args?: readonly string[];
  /** Milliseconds that `stop` waits for the last window before it kills. */
  readonly stopMs?: number;
  /** What it says waits for `release`. */
  readonly held?: boolean;
}

export interface SamplerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The child never ran (ENOENT, EACCES, …), or it broke the protocol and was killed. */
  readonly error: Error | null;
  /** Last log frame or line on standard error, "" when there was none. */
  readonly lastLog: string;
  readonly uptimeMs: number;
  /** `stop` was called before. */
  readonly requested: boolean;
}

interface SamplerEvents {
  hello: [SamplerHello];
  window: [Window];
  stats: [SamplerStats];
  log: [SamplerLog];
  /** Once, after everything the child wrote was handed over. */
  exit: [SamplerExit];
}

const MAX_LOG_LINE = 2000;
/** Events that wait for `release`; a child that has more to say waits itself. */
const MAX_HELD = 64;

/** A running sampler. It sees its standard input close when this process dies, so it never outlives it. */
export class SamplerProcess extends EventEmitter<SamplerEvents> {
  readonly pid: number | undefined;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly reader = new FrameReader();
  private readonly startedAt = performance.now();
  private readonly stopMs: number;
  private held: Array<() => void> | null;
  private error: Error | null = null;
  private lastLog = '';
  private requested = false;
  private ended = false;

  constructor(options: SpawnSamplerOptions) {
    super();
    this.stopMs = options.stopMs ?? 2000;
    this.held = options.held ? [] : null;
    this.child = spawn(options.binary, options.args ?? [], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.pid = this.child.pid;
    this.child.on('error', (error) => {
      this.error ??= error;
      if (this.pid === undefined) this.finish(null, null);
    });
    this.child.stdin.on('error', () => undefined);
    this.child.stdout.on('data', (chunk: Buffer) => this.receive(chunk));
    this.child.stderr.on('data', (chunk: Buffer) => this.receiveText(chunk));
    this.child.on('exit', () => {
      // A grandchild that kept the pipe open must not keep the end of this one from being seen.
      setTimeout(() => this.child.stdout.destroy(), 500).unref();
    });
    this.child.on('close', (code, signal) => this.finish(code, signal));
  }

  /** Hands over what waited, in this turn of the event loop, and from now on what comes. */
  release(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const tell of held) tell();
    this.child.stdout.resume();
  }

  /** Takes effect from the sampler's next tick on. */
  setRate(rateHz: number): void {
    this.command({ rateHz });
  }

  /** Takes effect at once; a sampler on another rung than 1 passes over it. */
  exclude(change: ExclusionChange): void {
    for (const command of exclusionCommands(change)) this.command(command);
  }

  kill(reason: string): void {
    if (this.ended) return;
    this.error ??= new Error(reason);
    this.child.kill('SIGKILL');
  }

  /** Asks for the last window, waits for it and for the end, kills after `stopMs`. Resolves when the child is gone. */
  async stop(stopMs = this.stopMs): Promise<void> {
    this.requested = true;
    this.release();
    if (this.ended) return;
    const ended = once(this, 'exit');
    this.command({ stop: true });
    const timer = setTimeout(() => this.child.kill('SIGKILL'), stopMs);
    await ended;
    clearTimeout(timer);
  }

  private tell<E extends keyof SamplerEvents>(event: E, ...args: SamplerEvents[E]): void {
    const emit = () => void (this as EventEmitter).emit(event, ...args);
    if (this.held === null) return emit();
    if (this.held.push(emit) === MAX_HELD) this.child.stdout.pause();
  }

  private command(body: object): void {
    if (!this.ended && this.child.stdin.writable) this.child.stdin.write(`${JSON.stringify(body)}\n`);
  }

  private receive(chunk: Buffer): void {
    if (this.error) return;
    let frames: Frame[];
    try {
      frames = this.reader.push(chunk);
      for (const frame of frames) this.dispatch(frame);
    } catch (error) {
      this.kill(error instanceof Error ? error.message : String(error));
    }
  }

  private dispatch({ type, payload }: Frame): void {
    switch (type) {
      case FRAME_TYPES.hello:
        this.tell('hello', decodeJson('hello', helloSchema, payload));
        break;
      case FRAME_TYPES.window:
        this.tell('window', decodeWindow(payload));
        break;
      case FRAME_TYPES.stats:
        this.tell('stats', decodeJson('stats', statsSchema, payload));
        break;
      case FRAME_TYPES.log: {
        const log = decodeJson('log', logSchema, payload);
        this.lastLog = log.message.slice(0, MAX_LOG_LINE);
        this.tell('log', log);
        break;
      }
      default: // A later protocol may add frames; this one stays readable.
    }
  }

  /** What a panic or the dynamic linker says does not come as a frame. */
  private receiveText(chunk: Buffer): void {
    for (const line of chunk.toString('utf8').split('\n')) {
      const message = line.trim().slice(0, MAX_LOG_LINE);
      if (message === '') continue;
      this.lastLog = message;
      this.tell('log', { level: 'warn', message });
    }
  }

  private finish(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.ended) return;
    this.ended = true;
    const uptimeMs = Math.round(performance.now() - this.startedAt);
    const { error, lastLog, requested } = this;
    this.tell('exit', { code, signal, error, lastLog, uptimeMs, requested });
  }
}

/** Listeners must be added in the same turn of the event loop; nothing is emitted before. */
export function spawnSampler(options: SpawnSamplerOptions): SamplerProcess {
  return new SamplerProcess(options);
}
