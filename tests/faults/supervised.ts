import { spawn, type ChildProcess } from 'node:child_process';
import { waitFor } from '@perfleet/testing';

const RESPAWN_MS = 200;
const LOG_CHARS = 200_000;

const all = new Set<Supervised>();
process.once('exit', () => all.forEach((one) => one.strikeDown()));

/** A process that is started again whenever it ends, as an orchestrator would: what a fault needs to strike at. */
export class Supervised {
  private child: ChildProcess | null = null;
  private wanted = false;
  private ready = false;
  private frozen = false;
  private text = '';
  private notBefore = 0;
  starts = 0;

  constructor(
    readonly name: string,
    private readonly command: readonly [string, ...string[]],
    private readonly env: Readonly<Record<string, string>> = {},
  ) {
    all.add(this);
  }

  start(): void {
    this.wanted = true;
    this.spawn();
  }

  /** Its first line on standard output has come since it was last started. */
  untilReady(timeoutMs: number): Promise<unknown> {
    return waitFor(() => this.ready && !this.frozen, { timeoutMs, what: `${this.name} to be ready:\n${this.log()}` });
  }

  /** SIGKILL; started again after `downMs`. */
  kill(downMs: number): void {
    this.notBefore = Date.now() + downMs;
    this.child?.kill('SIGKILL');
  }

  /** SIGTERM, and started again when it has ended. */
  restart(): void {
    this.child?.kill('SIGTERM');
  }

  freeze(): void {
    this.frozen = true;
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.frozen = false;
    this.child?.kill('SIGCONT');
  }

  /** Ends it for good, after what it does on `signal`. @returns the exit code */
  async end(signal: NodeJS.Signals, timeoutMs: number): Promise<number | null> {
    this.wanted = false;
    const child = this.child;
    if (!child) return null;
    child.kill(signal);
    child.kill('SIGCONT');
    try {
      await waitFor(() => this.child === null, { timeoutMs, what: `${this.name} to end` });
    } catch (cause) {
      child.kill('SIGKILL');
      throw new Error(`${this.name} did not end within ${timeoutMs} ms:\n${this.log()}`, { cause });
    }
    return child.exitCode;
  }

  strikeDown(): void {
    this.child?.kill('SIGKILL');
  }

  log(): string {
    return this.text.slice(-4000);
  }

  /** How often it said something, of what is kept of it. */
  said(what: RegExp): number {
    return this.text.match(new RegExp(what, 'g'))?.length ?? 0;
  }

  private spawn(): void {
    const [file, ...args] = this.command;
    const child = spawn(file, args, { env: { ...process.env, ...this.env }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    this.ready = false;
    this.starts++;
    const keep = (data: Buffer) => (this.text = (this.text + data.toString()).slice(-LOG_CHARS));
    child.stdin!.on('error', () => undefined);
    child.stderr!.on('data', keep);
    child.stdout!.on('data', (data: Buffer) => {
      keep(data);
      if (this.child === child) this.ready = true;
    });
    child.on('exit', () => {
      this.child = null;
      this.ready = false;
      if (!this.wanted) return;
      setTimeout(() => this.wanted && this.spawn(), Math.max(RESPAWN_MS, this.notBefore - Date.now()));
    });
  }
}
