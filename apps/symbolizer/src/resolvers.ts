import type { PartitionAssignment, PartitionHandler } from '@perfleet/stream';
import { Turns } from '@perfleet/symbols';
import type { Replay } from './replay.ts';
import { mergeByBinary, Resolver, type ResolverParts, type Wanted } from './resolver.ts';

const HEARTBEAT_MS = 3_000;
/** Binaries of one batch. */
const MOST_AT_ONCE = 8;

export interface ResolversEvents {
  /** What failed is tried again. */
  readonly onError: (error: Error) => void;
  /** After each batch, and each round that looked again. */
  readonly onDone: () => void;
}

/** The resolvers of the partitions that are assigned here, one each. */
export class Resolvers {
  private readonly open = new Set<Resolver>();
  /** Those whose state is not back yet, by what brings it. */
  private readonly unrestored = new Set<() => Promise<void>>();
  private readonly stopped = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private retrying: Promise<void> = Promise.resolve();

  constructor(
    private readonly parts: ResolverParts,
    private readonly replay: Replay,
    private readonly events: ResolversEvents,
  ) {}

  get stopping(): boolean {
    return this.stopped.signal.aborted;
  }

  handler(assignment: PartitionAssignment): PartitionHandler {
    const resolver = new Resolver(this.parts);
    assignment.signal.addEventListener('abort', () => resolver.close());
    let restored: Promise<void> | undefined;
    const restore = async () => {
      await unlessAborted(this.stopped.signal, this.replay.restore(assignment, resolver));
      this.unrestored.delete(once);
      if (!resolver.isClosed) this.open.add(resolver);
    };
    const once = () =>
      (restored ??= restore().catch((error: unknown) => {
        restored = undefined;
        throw error;
      }));
    // A partition to which nothing comes has frames that wait, too.
    this.unrestored.add(once);
    once().catch((error: Error) => this.events.onError(error));
    return {
      onBatch: async ({ messages, heartbeat }) => {
        let invalid = 0;
        await whileBeating(heartbeat, once());
        const wanted = mergeByBinary(messages, () => invalid++);
        await whileBeating(heartbeat, unlessAborted(this.stopped.signal, resolveAll(resolver, wanted)));
        await assignment.commit(messages.at(-1)!.offset + 1n);
        this.parts.stats.skippedMessages += invalid;
        this.events.onDone();
      },
      onClose: async () => {
        resolver.close();
        this.open.delete(resolver);
        this.unrestored.delete(once);
      },
    };
  }

  /** Looks again for binaries that were not there. One round at a time: the next one starts when the interval is over and the last one is done. */
  retryEvery(ms: number): void {
    let busy = false;
    this.timer = setInterval(() => {
      if (busy) return;
      busy = true;
      this.retrying = this.retry()
        .then(this.events.onDone, this.events.onError)
        .finally(() => (busy = false));
    }, ms);
  }

  /** Looks again for one binary, which came just now. */
  async retryBinary(binaryId: string): Promise<void> {
    // What the log says that waits may be waiting for this one.
    await Promise.allSettled([...this.unrestored].map((restore) => restore()));
    for (const resolver of this.open) await unlessAborted(this.stopped.signal, resolver.retry(binaryId));
  }

  /** Gives up what is being resolved. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.stopped.abort();
    await this.retrying;
    await this.replay.settled();
  }

  private async retry(): Promise<void> {
    await Promise.all([...this.unrestored].map((restore) => restore()));
    for (const resolver of this.open) await unlessAborted(this.stopped.signal, resolver.retry());
  }
}

/** Different binaries side by side, so that they are converted on all cores; those of one binary in order. */
async function resolveAll(resolver: Resolver, all: readonly Wanted[]): Promise<void> {
  const byBinary = Map.groupBy(all, ({ binaryId }) => binaryId);
  const turns = new Turns(MOST_AT_ONCE);
  const ends = await Promise.allSettled(
    Array.from(byBinary.values(), (group) =>
      turns.take(async () => {
        for (const wanted of group) await resolver.resolve(wanted);
      }),
    ),
  );
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}

/** Keeps the group's membership while `work` runs: a conversion takes longer than a session. */
async function whileBeating<T>(heartbeat: () => Promise<void>, work: Promise<T>): Promise<T> {
  // A heartbeat that fails shows as an assignment that ends.
  const timer = setInterval(() => void heartbeat().catch(() => undefined), HEARTBEAT_MS);
  try {
    const result = await work;
    await heartbeat();
    return result;
  } finally {
    clearInterval(timer);
  }
}

/** Rejects at once when `signal` is aborted; `work` then ends unheard. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new Error('the symbolizer is stopping'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
