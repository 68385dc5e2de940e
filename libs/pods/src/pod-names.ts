import type { PodName, PodRecord, PodSource, SourceStatus } from './model.ts';

export interface PodNamesOptions {
  /** Best first. A later one fills in what an earlier one does not know. */
  readonly sources: readonly PodSource[];
  /** Between two looks at the sources, milliseconds. */
  readonly everyMs?: number;
  /** Least time between two looks that an unknown pod causes, milliseconds. */
  readonly minMs?: number;
  /** For one source's answer, milliseconds. */
  readonly timeoutMs?: number;
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

interface Index {
  readonly byUid: Map<string, PodRecord>;
  readonly byContainer: Map<string, { readonly record: PodRecord; readonly name: string }>;
}

/** A node runs some hundred pods; a source that says otherwise is cut. */
const MAX_PODS = 10_000;
const NOT_ASKED = 'not asked yet';

/** Names of pods and containers from several optional sources; one that is lost keeps its last answer. */
export function createPodNames(options: PodNamesOptions): PodNames {
  const { sources, everyMs = 30_000, minMs = 2000, timeoutMs = 5000, now = Date.now } = options;
  const indexes = sources.map(() => indexOf([]));
  const statuses: SourceStatus[] = sources.map(({ name }) => ({
    source: name,
    ok: false,
    error: NOT_ASKED,
    answeredAt: null,
    pods: 0,
  }));
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> | null = null;
  let askedAt = -Infinity;
  let stopped = new AbortController();

  const report = (i: number, status: SourceStatus) => {
    const before = statuses[i]!;
    statuses[i] = status;
    if (before.ok !== status.ok || before.error === NOT_ASKED) options.onChange?.(status, before);
  };
  const ask = async (source: PodSource, i: number) => {
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), stopped.signal]);
      const records = (await within(source, signal)).slice(0, MAX_PODS);
      indexes[i] = indexOf(records);
      report(i, { source: source.name, ok: true, error: '', answeredAt: now(), pods: records.length });
    } catch (cause) {
      const error = cause instanceof Error ? cause.message : String(cause);
      if (!stopped.signal.aborted) report(i, { ...statuses[i]!, ok: false, error: error.slice(0, 500) });
    }
  };
  const refresh = () => {
    askedAt = performance.now();
    return (running ??= Promise.all(sources.map(ask)).then(() => void (running = null)));
  };

  return {
    async start() {
      stopped = new AbortController();
      timer ??= setInterval(() => void refresh(), everyMs).unref();
      await refresh();
    },
    stop() {
      if (timer) clearInterval(timer);
      timer = null;
      stopped.abort(new Error('stopped'));
    },
    lookup(podUid, containerId) {
      const found = find(indexes, podUid, containerId);
      const incomplete = found === undefined || (containerId !== null && found.container === undefined);
      if (incomplete && timer && performance.now() - askedAt >= minMs) void refresh();
      return found;
    },
    status: () => [...statuses],
  };
}

function find(indexes: readonly Index[], podUid: string | null, containerId: string | null): PodName | undefined {
  let found: PodName | undefined;
  for (const { byUid, byContainer } of indexes) {
    const container = containerId === null ? undefined : byContainer.get(containerId);
    const record = container?.record ?? (podUid === null ? undefined : byUid.get(podUid));
    if (!record) continue;
    found = {
      namespace: found?.namespace ?? record.namespace,
      pod: found?.pod ?? record.pod,
      ...optional('container', found?.container ?? container?.name),
      ...optional('service', found?.service ?? record.service),
    };
  }
  return found;
}

function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value ? ({ [key]: value } as { [P in K]?: string }) : {};
}

function indexOf(records: readonly PodRecord[]): Index {
  const byUid: Index['byUid'] = new Map();
  const byContainer: Index['byContainer'] = new Map();
  for (const record of records) {
    for (const uid of record.uids) byUid.set(uid, record);
    for (const { id, name } of record.containers) byContainer.set(id, { record, name });
  }
  return { byUid, byContainer };
}

/** The signal bounds the wait even where a source does not heed it. */
function within(source: PodSource, signal: AbortSignal): Promise<readonly PodRecord[]> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason instanceof Error ? signal.reason : new Error('stopped'));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    source.list(signal).then(resolve, reject);
  });
}
