import type { NodeState } from '@perfleet/messages';
import { Redis } from 'ioredis';
import { ConfigConflictError, NodeStateUnavailableError } from './errors.ts';
import { parseState } from './parse-state.ts';
import type { ConfigDocument, NodeEntry, NodeStateStore } from './store.ts';

export interface RedisNodeStateOptions {
  /** redis:// or rediss://, with user and password where needed. */
  readonly url: string;
  readonly prefix?: string;
  /** How long a call may take, the wait for a connection included, milliseconds. */
  readonly timeoutMs?: number;
}

/**
 * Keys: `PREFIX:nodes` (hash: node -> state), `PREFIX:seen` (hash: node -> Unix ms), neither expires;
 * `PREFIX:heartbeat:NODE` (expires); `PREFIX:config` (hash: version, document).
 */
export function openRedisNodeState(options: RedisNodeStateOptions): NodeStateStore {
  return new RedisNodeState(options.url, options.prefix ?? 'perfleet', options.timeoutMs ?? 1500);
}

/** One step, so that two writers of one version cannot both win. Returns the new version, or -(actual + 1). */
const SET_CONFIG = `
  local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
  if ARGV[1] ~= '' and tonumber(ARGV[1]) ~= version then return -(version + 1) end
  redis.call('HSET', KEYS[1], 'version', version + 1, 'document', ARGV[2])
  return version + 1`;

class RedisNodeState implements NodeStateStore {
  private readonly redis: Redis;

  constructor(
    url: string,
    private readonly prefix: string,
    private readonly timeoutMs: number,
  ) {
    this.redis = new Redis(url, {
      // Nothing waits in the client while the server is away: state is overwritten every few seconds anyway.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
      retryStrategy: (attempt) => Math.min(2000, 100 * attempt),
    });
    this.redis.on('error', () => undefined);
  }

  async put(state: NodeState): Promise<void> {
    await this.call(async () => {
      const multi = this.redis.multi().hset(this.key('nodes'), state.node, JSON.stringify(state));
      await checked(multi.hset(this.key('seen'), state.node, state.updatedAt).exec());
    });
  }

  async heartbeat(node: string, ttlMs: number): Promise<void> {
    await this.call(async () => {
      const multi = this.redis.multi().set(this.key('heartbeat', node), '1', 'PX', Math.max(1, Math.round(ttlMs)));
      await checked(multi.hset(this.key('seen'), node, Date.now()).exec());
    });
  }

  async list(): Promise<NodeEntry[]> {
    return this.call(async () => {
      const [nodes, seen] = await Promise.all([
        this.redis.hgetall(this.key('nodes')),
        this.redis.hgetall(this.key('seen')),
      ]);
      const names = Object.keys(nodes).sort();
      if (names.length === 0) return [];
      const beats = await this.redis.mget(names.map((node) => this.key('heartbeat', node)));
      return names
        .map((node, i) => toEntry(nodes[node]!, seen[node] ?? null, beats[i] ?? null))
        .filter((entry) => entry !== null);
    });
  }

  async get(node: string): Promise<NodeEntry | null> {
    return this.call(async () => {
      const [state, seen, beat] = await Promise.all([
        this.redis.hget(this.key('nodes'), node),
        this.redis.hget(this.key('seen'), node),
        this.redis.get(this.key('heartbeat', node)),
      ]);
      return state === null ? null : toEntry(state, seen, beat);
    });
  }

  async deregister(node: string): Promise<void> {
    await this.call(async () => {
      const multi = this.redis.multi().hdel(this.key('nodes'), node).hdel(this.key('seen'), node);
      await checked(multi.del(this.key('heartbeat', node)).exec());
    });
  }

  async getConfig(): Promise<ConfigDocument | null> {
    const raw = await this.call(() => this.redis.hgetall(this.key('config')));
    if (raw['version'] === undefined || raw['document'] === undefined) return null;
    return { version: Number(raw['version']), document: JSON.parse(raw['document']) };
  }

  async setConfig(document: unknown, expectedVersion?: number): Promise<number> {
    const text = JSON.stringify(document);
    const expected = expectedVersion === undefined ? '' : String(expectedVersion);
    const version = Number(await this.call(() => this.redis.eval(SET_CONFIG, 1, this.key('config'), expected, text)));
    if (version < 0) throw new ConfigConflictError(expectedVersion ?? 0, -version - 1);
    return version;
  }

  async close(): Promise<void> {
    this.redis.disconnect();
  }

  private key(...parts: string[]): string {
    return [this.prefix, ...parts].join(':');
  }

  private async call<T>(run: () => Promise<T>): Promise<T> {
    try {
      await this.ready();
      return await run();
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new NodeStateUnavailableError(`Redis: ${message}`, { cause });
    }
  }

  /** Waits for a connection that is on its way, but not longer than one call may take. */
  private async ready(): Promise<void> {
    if (this.redis.status === 'ready') return;
    if (this.redis.status === 'end') throw new Error('closed');
    await new Promise<void>((resolve, reject) => {
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

/** A transaction reports the error of a command beside the other results. */
async function checked(results: Promise<Array<[error: Error | null, result: unknown]> | null>): Promise<void> {
  for (const [error] of (await results) ?? []) if (error) throw error;
}

function toEntry(text: string, seen: string | null, beat: string | null): NodeEntry | null {
  const state = parseState(text);
  return state && { state, alive: beat !== null, lastSeen: Number(seen ?? state.updatedAt) };
}
