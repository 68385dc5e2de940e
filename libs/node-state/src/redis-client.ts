import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { NodeStateUnavailableError } from './errors.ts';
import { parseRedisUrl, type RedisTarget } from './redis-url.ts';

/** One connection to a Redis, a master behind sentinels, or a cluster; every call ends soon, one way or the other. */
export class RedisClient {
  private readonly redis: Redis;
  /** In a cluster the braces keep all keys on one shard, so that scripts and transactions over several keys work. */
  private readonly prefix: string;
  private connecting: Promise<void> | null = null;

  /** @throws NodeStateUnavailableError when the URL says nothing that can be reached */
  constructor(
    url: string,
    prefix: string,
    private readonly timeoutMs: number,
  ) {
    const target = parseRedisUrl(url);
    this.prefix = target.kind === 'cluster' ? `{${prefix}}` : prefix;
    this.redis = connect(target, timeoutMs);
    // What an error means is told by the call that it ends.
    this.redis.on('error', () => undefined);
  }

  readonly key = (...parts: string[]): string => [this.prefix, ...parts].join(':');

  /** @throws NodeStateUnavailableError */
  async call<T>(run: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      await this.ready();
      return await run(this.redis);
    } catch (cause) {
      throw new NodeStateUnavailableError(`Redis: ${reasonOf(cause)}`, { cause });
    }
  }

  /** A transaction reports the error of a command beside the other results. */
  async checked(results: Promise<Array<[error: Error | null, result: unknown]> | null>): Promise<void> {
    for (const [error] of (await results) ?? []) if (error) throw error;
  }

  close(): void {
    this.redis.disconnect();
  }

  /** Waits for a connection that is on its way, but not longer than one call may take. All calls wait as one. */
  private async ready(): Promise<void> {
    if (this.redis.status === 'ready') return;
    if (this.redis.status === 'end') throw new Error('closed');
    this.connecting ??= this.connected().finally(() => (this.connecting = null));
    await this.connecting;
  }

  private connected(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const done = (error?: Error) => {
        clearTimeout(timer);
        this.redis.off('ready', onReady).off('error', done).off('end', onEnd);
        if (error) reject(error);
        else resolve();
      };
      const onReady = () => done();
      const onEnd = () => done(new Error('closed'));
      const timer = setTimeout(() => done(new Error(`no connection within ${this.timeoutMs} ms`)), this.timeoutMs);
      this.redis.on('ready', onReady).on('error', done).on('end', onEnd);
    });
  }
}

/** A transaction that is given up says only that; why is in the answers to its commands. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { previousErrors } = cause as { previousErrors?: readonly Error[] };
  return previousErrors?.[0]?.message ?? cause.message;
}

/** What Redis answers, with a connection of its own. @throws NodeStateUnavailableError within about `timeoutMs` */
export async function pingRedis(url: string, timeoutMs: number): Promise<string> {
  const client = new RedisClient(url, '', timeoutMs);
  try {
    return await client.call((redis) => redis.ping());
  } finally {
    client.close();
  }
}

function connect(target: RedisTarget, timeoutMs: number): Redis {
  const { kind, addresses, master, username, password, database, tls, sentinelPassword } = target;
  // Shorter than a call waits: whichever call comes after the server is back finds it, and not only the one after the next.
  const retry = (attempt: number) => Math.min(timeoutMs / 2, 100 * attempt);
  const options: RedisOptions = {
    ...(username !== '' && { username }),
    ...(password !== '' && { password }),
    ...(tls && { tls }),
    // Nothing waits in the client while the server is away: state is overwritten every few seconds anyway.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    // A host that is gone says no goodbye, and the kernel would wait a quarter of an hour for it; somebody else may be the master.
    socketTimeout: 2 * timeoutMs,
    retryStrategy: retry,
  };
  if (kind === 'cluster') {
    return new Cluster([...addresses], {
      redisOptions: options,
      enableOfflineQueue: false,
      clusterRetryStrategy: retry,
      slotsRefreshTimeout: timeoutMs,
    }) as unknown as Redis;
  }
  if (kind === 'sentinel') {
    return new Redis({
      ...options,
      db: database,
      sentinels: [...addresses],
      name: master,
      sentinelRetryStrategy: retry,
      sentinelCommandTimeout: timeoutMs,
      ...(sentinelPassword !== '' && { sentinelPassword }),
      ...(tls && { sentinelTLS: tls, enableTLSForSentinelMode: true }),
    });
  }
  return new Redis({ ...options, ...addresses[0], db: database });
}
