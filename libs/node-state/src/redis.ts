import type { NodeState } from '@perfleet/messages';
import type { TokenStore } from '@perfleet/tokens';
import type { UploadLeaseStore } from '@perfleet/uploads';
import type { AlertStore } from './alert-store.ts';
import type { ConfigStore } from './config-store.ts';
import { parseState } from './parse-state.ts';
import { redisAlerts } from './redis-alerts.ts';
import { RedisClient } from './redis-client.ts';
import { redisConfig } from './redis-config.ts';
import { redisTokens } from './redis-tokens.ts';
import { redisUploads } from './redis-uploads.ts';
import type { NodeEntry, NodeStateStore, RestoredNode } from './store.ts';

export interface RedisNodeStateOptions {
  /** See `parseRedisUrl`: one server, sentinels or a cluster, with or without TLS. */
  readonly url: string;
  readonly prefix?: string;
  /** How long a call may take, the wait for a connection included, milliseconds. */
  readonly timeoutMs?: number;
}

/**
 * Keys: `PREFIX:nodes` (hash: node -> state), `PREFIX:seen` (hash: node -> Unix ms), `PREFIX:complete` (the registry was
 * built) never expire; `PREFIX:heartbeats` (sorted set: `EPOCH NODE` -> Unix ms of its end). Times of heartbeats are the server's,
 * so that the clocks of nodes do not matter. Evicting any of them loses nodes: the server's `maxmemory-policy` must be `noeviction`.
 * @throws NodeStateUnavailableError when the URL is none
 */
export function openRedisNodeState(options: RedisNodeStateOptions): NodeStateStore {
  return new RedisNodeState(new RedisClient(options.url, options.prefix ?? 'perfleet', options.timeoutMs ?? 1500));
}

const NOW = `
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)`;

/** KEYS: heartbeats, seen. ARGV: node, epoch, ttl. What ended an hour ago goes. */
const HEARTBEAT = `${NOW}
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[2] .. ' ' .. ARGV[1])
  redis.call('HSET', KEYS[2], ARGV[1], now)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 3600000)
  return 1`;

/** KEYS: heartbeats. ARGV: node, or "" for all. Members in force. */
const LIVE = `${NOW}
  local live = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')
  if ARGV[1] == '' then return live end
  local mine = {}
  for _, member in ipairs(live) do
    if string.sub(member, string.find(member, ' ', 1, true) + 1) == ARGV[1] then mine[#mine + 1] = member end
  end
  return mine`;

/** KEYS: nodes, seen, heartbeats. ARGV: node. */
const DEREGISTER = `
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
  for _, member in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
    if string.sub(member, string.find(member, ' ', 1, true) + 1) == ARGV[1] then redis.call('ZREM', KEYS[3], member) end
  end
  return 1`;

class RedisNodeState implements NodeStateStore {
  readonly alerts: AlertStore;
  readonly config: ConfigStore;
  readonly tokens: TokenStore;
  readonly uploads: UploadLeaseStore;
  private readonly nodes: string;
  private readonly seen: string;
  private readonly heartbeats: string;

  constructor(private readonly client: RedisClient) {
    this.alerts = redisAlerts(client);
    this.config = redisConfig(client);
    this.tokens = redisTokens(client);
    this.uploads = redisUploads(client);
    this.nodes = client.key('nodes');
    this.seen = client.key('seen');
    this.heartbeats = client.key('heartbeats');
  }

  async put(state: NodeState): Promise<void> {
    await this.client.call(async (redis) => {
      const multi = redis.multi().hset(this.nodes, state.node, JSON.stringify(state));
      await this.client.checked(multi.hset(this.seen, state.node, state.updatedAt).exec());
    });
  }

  async heartbeat(node: string, epoch: string, ttlMs: number): Promise<void> {
    const ttl = Math.max(1, Math.round(ttlMs));
    await this.client.call((redis) => redis.eval(HEARTBEAT, 2, this.heartbeats, this.seen, node, epoch, ttl));
  }

  async list(): Promise<NodeEntry[]> {
    return this.client.call(async (redis) => {
      const [nodes, seen, live] = await Promise.all([
        redis.hgetall(this.nodes),
        redis.hgetall(this.seen),
        redis.eval(LIVE, 1, this.heartbeats, '') as Promise<string[]>,
      ]);
      const epochs = epochsByNode(live);
      return Object.keys(nodes)
        .sort()
        .map((node) => toEntry(nodes[node]!, seen[node] ?? null, epochs.get(node) ?? []))
        .filter((entry) => entry !== null);
    });
  }

  async get(node: string): Promise<NodeEntry | null> {
    return this.client.call(async (redis) => {
      const [state, seen, live] = await Promise.all([
        redis.hget(this.nodes, node),
        redis.hget(this.seen, node),
        redis.eval(LIVE, 1, this.heartbeats, node) as Promise<string[]>,
      ]);
      return state === null ? null : toEntry(state, seen, epochsByNode(live).get(node) ?? []);
    });
  }

  async deregister(node: string): Promise<void> {
    const keys = [this.nodes, this.seen, this.heartbeats];
    await this.client.call((redis) => redis.eval(DEREGISTER, keys.length, ...keys, node));
  }

  async isBlank(): Promise<boolean> {
    return this.client.call(async (redis) => (await redis.exists(this.client.key('complete'))) === 0);
  }

  async restore(nodes: readonly RestoredNode[]): Promise<void> {
    await this.client.call(async (redis) => {
      const multi = redis.multi();
      for (const { state, lastSeen } of nodes) {
        multi.hsetnx(this.nodes, state.node, JSON.stringify(state)).hsetnx(this.seen, state.node, String(lastSeen));
      }
      await this.client.checked(multi.set(this.client.key('complete'), '1').exec());
    });
  }

  async close(): Promise<void> {
    this.client.close();
  }
}

/** Members are `EPOCH NODE`. */
function epochsByNode(members: readonly string[]): Map<string, string[]> {
  const epochs = new Map<string, string[]>();
  for (const member of members) {
    const space = member.indexOf(' ');
    const node = member.slice(space + 1);
    epochs.set(node, [...(epochs.get(node) ?? []), member.slice(0, space)]);
  }
  return epochs;
}

function toEntry(text: string, seen: string | null, liveEpochs: readonly string[]): NodeEntry | null {
  const state = parseState(text);
  return state && { state, alive: liveEpochs.length > 0, lastSeen: Number(seen ?? state.updatedAt), liveEpochs };
}
