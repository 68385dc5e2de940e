import { keyOf, type PodName, type PodRecord, type PodSource, type SourceStatus } from './model.ts';
import { findName, SourceIndex } from './source-index.ts';

export interface PodNamesOptions {
  /** Best first. A later one fills in what an earlier one does not know. */
  readonly sources: readonly PodSource[];
  /** Between two looks at the sources, milliseconds. */
  readonly everyMs?: number;
  /** Least time between two looks that an unknown pod causes, milliseconds. */
  readonly minMs?: number;
  /** For one source's answer, milliseconds. */
  readonly timeoutMs?: number;
  /** First wait before a source that ended is followed again, milliseconds; it doubles up to `everyMs`. */
  readonly followAgainMs?: number;
  /** How long a pod that is gone keeps its name: its last samples come later. Milliseconds. */
  readonly rememberMs?: number;
  readonly now?: () => number;
  /** A source answers that did not, or fails that answered. Called once for each change, with what it was before. */
  readonly onChange?: (now: SourceStatus, before: SourceStatus) => void;
}

export interface PodNames {
  /** Looks at the sources now and keeps doing so. Never rejects. */
  start(): Promise<void>;
  stop(): void;
  /** From the cache, at once; an unknown pod makes the sources be asked soon. */
  lookup(podUid: string | null, containerId: string | null): PodName | undefined;
  status(): SourceStatus[];
}

const NOT_ASKED = 'not asked yet';
/** For one that no source knows (the pause container of a pod is never named) the sources are asked once in a minute. */
const ASK_AGAIN_MS = 60_000;
const MAX_ASKED = 10_000;

/** Names of pods and containers from several optional sources; one that is lost keeps its last answer. */
export function createPodNames(options: PodNamesOptions): PodNames {
  const { sources, everyMs = 30_000, minMs = 2000, rememberMs = 300_000, now = Date.now } = options;
  const followed = sources.map((source) => new FollowedSource(source, new SourceIndex(rememberMs, now), options));
  const asked = new Map<string, number>();
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> | null = null;
  let askedAt = -Infinity;
  let stopped = new AbortController();

  const refresh = (ask: (each: FollowedSource) => Promise<void> = (each) => each.refresh(stopped.signal)) => {
    askedAt = performance.now();
    return (running ??= Promise.all(followed.map(ask)).then(() => void (running = null)));
  };
  const missing = (podUid: string | null, containerId: string | null, podKnown: boolean) => {
    const at = performance.now();
    const key = `${podUid} ${containerId}`;
    if (!timer || at - askedAt < minMs || at - (asked.get(key) ?? -Infinity) < ASK_AGAIN_MS) return;
    if (asked.size >= MAX_ASKED) asked.clear();
    asked.set(key, at);
    // A watch tells of a pod long before it runs: one that did not is asked whether it still hears anything.
    void refresh(podKnown ? undefined : (each) => each.verify(stopped.signal));
  };

  return {
    async start() {
      stopped = new AbortController();
      timer ??= setInterval(() => void refresh(), everyMs).unref();
      await refresh();
      for (const each of followed) void each.follow(stopped.signal);
    },
    stop() {
      if (timer) clearInterval(timer);
      timer = null;
      stopped.abort(new Error('stopped'));
    },
    lookup(podUid, containerId) {
      const found = findName(
        followed.map(({ index }) => index),
        podUid,
        containerId,
      );
      const known =
        found !== undefined && (found.labels !== undefined || !followed.some(({ status }) => status.readsLabels));
      if (!known || (containerId !== null && found.container === undefined)) missing(podUid, containerId, known);
      return found;
    },
    status: () => followed.map(({ status }) => status),
  };
}

/** One source: its last answer, whether it answers, and its changes where it tells of them. */
class FollowedSource {
  status: SourceStatus;
  private following: AbortController | null = null;
  private last: readonly PodRecord[] = [];
  /** Pods that were listed before the watch began, or that it told of. */
  private followed: ReadonlySet<string> = new Set();

  constructor(
    private readonly source: PodSource,
    readonly index: SourceIndex,
    private readonly options: PodNamesOptions,
  ) {
    const { name, readsLabels } = source;
    this.status = {
      source: name,
      ok: false,
      error: NOT_ASKED,
      answeredAt: null,
      pods: 0,
      ...(readsLabels && { readsLabels }),
    };
  }

  /** Asks, unless the source tells by itself. Never rejects. */
  async refresh(stopped: AbortSignal): Promise<void> {
    if (!this.following) await this.list(stopped);
  }

  /** Asks also a source that is followed; one that tells less than it knows when asked is followed anew. Never rejects. */
  async verify(stopped: AbortSignal): Promise<void> {
    const watch = this.following;
    const records = await this.list(stopped);
    // It may be the server that does not answer: then the pods are listed until it does, and followed after that.
    const behind = records === null || records.some((record) => !this.followed.has(keyOf(record)));
    if (behind) watch?.abort(new Error('the watch is behind'));
  }

  /** Follows until it is stopped: a source that ends, fails or hangs is listed and followed again. Never rejects. */
  async follow(stopped: AbortSignal): Promise<void> {
    if (!this.source.follow) return;
    const { everyMs = 30_000, followAgainMs = 1000 } = this.options;
    let wait = followAgainMs;
    while (!stopped.aborted) {
      if (this.status.ok) {
        this.following = new AbortController();
        this.followed = keysOf(this.last);
        const quiet = await this.source
          .follow(AbortSignal.any([stopped, this.following.signal]), (records) => {
            wait = followAgainMs;
            this.followed = keysOf(records);
            this.answered(records);
          })
          .then(
            () => true,
            () => false,
          );
        this.following = null;
        if (quiet) wait = followAgainMs;
      }
      await pause(wait, stopped);
      wait = Math.min(everyMs, wait * 2);
      if (!stopped.aborted) await this.list(stopped);
    }
  }

  private async list(stopped: AbortSignal): Promise<readonly PodRecord[] | null> {
    const { timeoutMs = 5000 } = this.options;
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), stopped]);
      const records = await within(this.source, signal);
      this.answered(records);
      return records;
    } catch (cause) {
      const error = cause instanceof Error ? cause.message : String(cause);
      if (!stopped.aborted) this.report({ ...this.status, ok: false, error: error.slice(0, 500) });
      return null;
    }
  }

  private answered(records: Parameters<SourceIndex['replace']>[0]): void {
    this.last = records;
    this.index.replace(records);
    const answeredAt = (this.options.now ?? Date.now)();
    this.report({ ...this.status, ok: true, error: '', answeredAt, pods: records.length });
  }

  private report(status: SourceStatus): void {
    const before = this.status;
    this.status = status;
    if (before.ok !== status.ok || before.error === NOT_ASKED) this.options.onChange?.(status, before);
  }
}

function keysOf(records: readonly PodRecord[]): ReadonlySet<string> {
  return new Set(records.map(keyOf));
}

/** The signal bounds the wait even where a source does not heed it. */
function within(source: PodSource, signal: AbortSignal): ReturnType<PodSource['list']> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason instanceof Error ? signal.reason : new Error('stopped'));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    source
      .list(signal)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', abort));
  });
}

function pause(ms: number, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      stopped.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms).unref();
    stopped.addEventListener('abort', end, { once: true });
  });
}
