import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeState } from '@perfleet/messages';
import type { Logger } from '@perfleet/observability';
import type { Window } from '@perfleet/sampler';
import { slimBinary, type SlimBinary } from '@perfleet/symbols';
import type { LeaseAnswer } from '@perfleet/uploads';
import { candidates, type Candidate } from './candidates.ts';
import { sendFile } from './send-file.ts';
import { UploadRefusedError, type UploadClient } from './upload-client.ts';
import { UploadQueue, type QueuedFile } from './upload-queue.ts';

export interface UploaderOptions {
  readonly client: UploadClient;
  /** Files that wait are kept below it. */
  readonly dataDir: string;
  readonly queueBytes: number;
  readonly bytesPerSecond: number;
  readonly logger: Logger;
  /** First and longest wait before a symbolizer that is away is asked again (1 s, 60 s). */
  readonly backoffMs?: { readonly min: number; readonly max: number };
}

/** What the node says of it. */
export type UploaderStats = NonNullable<NodeState['uploads']>;

const MAX_CANDIDATES = 1000;
const MAX_KNOWN = 100_000;
/** A binary that is done with is asked for again after a day: the store may have dropped it. */
const DONE_MS = 86_400_000;
const UNREADABLE_MS = 3_600_000;
/** One whose process ended meanwhile is looked for in the next one that runs it. */
const GONE_MS = 10_000;

/**
 * Brings binaries of this node to the symbolizer: one at a time, in the background. Nothing that happens here reaches the sampling; at
 * worst names stay away. A binary is read while a process maps it, by the path as that process sees it.
 */
export class Uploader {
  private readonly queue: UploadQueue;
  private readonly stopping = new AbortController();
  /** Build id -> when it is looked at again. */
  private readonly known = new Map<string, number>();
  private waiting: Candidate[] = [];
  private running: Promise<void> = Promise.resolve();
  private wake: () => void = () => undefined;
  private failures = 0;
  private readonly counts = { sent: 0, sentBytes: 0, had: 0, refused: 0, dropped: 0, lastError: '' };

  /** @throws when the directory cannot be made */
  constructor(private readonly options: UploaderOptions) {
    this.queue = new UploadQueue(join(options.dataDir, 'uploads'), options.queueBytes);
  }

  start(): void {
    this.running = this.loop();
  }

  /** Looks for binaries that nobody asked about yet. Never throws. */
  offer(window: Window): void {
    try {
      const now = Date.now();
      const isWanted = (gnu: string) => (this.known.get(gnu) ?? 0) <= now;
      for (const candidate of candidates(window, isWanted)) {
        if (this.waiting.length >= MAX_CANDIDATES) return;
        this.waiting.push(candidate);
        // Until it had its turn.
        this.remember(candidate.gnu, DONE_MS);
      }
      this.wake();
    } catch (error) {
      this.failed('a window could not be looked through', error);
    }
  }

  stats(): UploaderStats {
    const { queue, failures } = this;
    const lastError = this.counts.lastError.slice(0, 500);
    return { ...this.counts, lastError, queued: queue.size, queuedBytes: queue.bytes, away: failures > 0 };
  }

  /** What is on its way goes on with the next run. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.wake();
    await this.running;
  }

  private async loop(): Promise<void> {
    const { signal } = this.stopping;
    // In turns: a node that starts has many binaries to look at, and the first ones need not wait for the last.
    let looked = false;
    while (!signal.aborted) {
      const file: QueuedFile | undefined = looked || this.waiting.length === 0 ? this.queue.first() : undefined;
      const candidate: Candidate | undefined = file ? undefined : this.waiting.shift();
      looked = candidate !== undefined;
      try {
        if (file) await this.deliver(file);
        else if (candidate) await this.look(candidate);
        else await new Promise<void>((resolve) => (this.wake = resolve));
      } catch (error) {
        if (!signal.aborted) this.failed('an upload failed', error);
      }
    }
  }

  /** Reads a binary while it is there, and asks whether it is wanted. */
  private async look({ gnu, path, pid }: Candidate): Promise<void> {
    const place = `/proc/${pid}/root${path}`;
    let slim: SlimBinary;
    try {
      slim = await slimBinary(place);
    } catch (error) {
      return this.drop(gnu, `${path} of process ${pid}: ${(error as Error).message}`);
    }
    // Another file is at its place by now; the process may map it still, and another process may show it.
    if (slim.gnuBuildId !== gnu) return this.drop(gnu, `${path} of process ${pid} has another build id by now`);
    if (slim.bytes === 0 || slim.content === '') return;
    const answer = await this.ask(gnu, slim.content, slim.bytes);
    if (answer?.answer === 'busy') return this.remember(gnu, answer.retryAfterSeconds * 1000);
    if (answer && answer.answer !== 'granted') return this.done(gnu, answer);
    // Granted, or nobody answers: kept now, since the process may end.
    if (!this.queue.hasRoom(slim.bytes)) return this.drop(gnu, `no room for ${path}: ${slim.bytes} bytes`);
    const { incoming, path: target } = this.queue.place(gnu, slim.content);
    rmSync(incoming, { force: true });
    try {
      const written = await slimBinary(place, incoming);
      if (written.gnuBuildId !== gnu || written.content !== slim.content || written.bytes !== slim.bytes)
        throw new Error('it changed while it was read');
      renameSync(incoming, target);
    } catch (error) {
      rmSync(incoming, { force: true });
      return this.drop(gnu, `${path} of process ${pid}: ${(error as Error).message}`);
    }
    this.queue.add({ gnu, content: slim.content, path: target, size: slim.bytes });
  }

  private async deliver(file: QueuedFile): Promise<void> {
    const { client, bytesPerSecond, logger } = this.options;
    const { gnu, content, size } = file;
    const answer = await this.ask(gnu, content, size);
    if (answer === null || answer.answer === 'busy') {
      this.queue.putBack(file);
      return this.pause(answer === null ? this.backoff() : answer.retryAfterSeconds * 1000);
    }
    if (answer.answer !== 'granted') {
      this.queue.remove(file);
      return this.done(gnu, answer);
    }
    const onBytes = (bytes: number) => (this.counts.sentBytes += bytes);
    try {
      const { first } = await sendFile(answer.upload, file, {
        ...{ client, bytesPerSecond, onBytes },
        signal: this.stopping.signal,
      });
      this.queue.remove(file);
      this.counts.sent++;
      if (first) logger.info({ gnu, bytes: size }, 'a binary was sent to the symbolizer');
      else logger.warn({ gnu, content }, 'a binary of this node carries the build id of other code; it gives no names');
    } catch (error) {
      if (error instanceof UploadRefusedError && error.status === 422) {
        this.queue.remove(file);
        return this.done(gnu, { answer: 'refused', reason: error.message });
      }
      if (this.stopping.signal.aborted) return;
      this.away(error);
      this.queue.putBack(file);
      await this.pause(this.backoff());
    }
  }

  /** null when nobody answers. */
  private async ask(gnu: string, content: string, size: number): Promise<LeaseAnswer | null> {
    try {
      const answer = await this.options.client.lease({ gnu, content, size });
      if (this.failures > 0) this.options.logger.info('the symbolizer answers again; uploads go on');
      this.failures = 0;
      return answer;
    } catch (error) {
      this.away(error);
      return null;
    }
  }

  private done(gnu: string, answer: Exclude<LeaseAnswer, { answer: 'granted' | 'busy' }>): void {
    this.remember(gnu, DONE_MS);
    if (answer.answer === 'have') return void this.counts.had++;
    this.counts.refused++;
    this.counts.lastError = answer.reason;
    this.options.logger.warn({ gnu, reason: answer.reason }, 'the symbolizer refused a binary');
  }

  private drop(gnu: string, reason: string): void {
    this.remember(gnu, /No such (file|process)|by now/.test(reason) ? GONE_MS : UNREADABLE_MS);
    this.counts.dropped++;
    this.counts.lastError = reason;
    this.options.logger.debug({ gnu, reason }, 'a binary is not uploaded');
  }

  private away(error: unknown): void {
    const message = error instanceof Error ? error.message || error.name : String(error);
    if (this.failures++ === 0)
      this.options.logger.warn({ error: message }, 'binaries cannot be uploaded; they wait on disk');
    this.counts.lastError = message;
  }

  private failed(what: string, error: unknown): void {
    this.counts.lastError = error instanceof Error ? error.message : String(error);
    this.options.logger.warn({ error: this.counts.lastError }, what);
  }

  private backoff(): number {
    const { min, max } = this.options.backoffMs ?? { min: 1000, max: 60_000 };
    return Math.min(max, min * 2 ** Math.min(this.failures, 10));
  }

  /** New candidates do not wait: their processes may end. */
  private async pause(ms: number): Promise<void> {
    if (this.waiting.length > 0) return;
    const over = new AbortController();
    const woken = new Promise<void>((resolve) => (this.wake = resolve));
    await Promise.race([woken, sleep(ms, undefined, { signal: over.signal }).catch(() => undefined)]);
    over.abort();
  }

  private remember(gnu: string, ms: number): void {
    if (this.known.size >= MAX_KNOWN) this.known.clear();
    this.known.set(gnu, Date.now() + ms);
  }
}
