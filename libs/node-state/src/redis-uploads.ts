import {
  MAX_CONTENTS,
  REFUSAL_MS,
  uploadLeaseSchema,
  type LeaseResult,
  type UploadLeaseStore,
} from '@perfleet/uploads';
import { parseStored } from './parse-state.ts';
import type { RedisClient } from './redis-client.ts';

/** KEYS: holder, lease, bytes of a day, leases of the node. ARGV: id, lease, ttl, size, leases per node, bytes per day, node. */
const ACQUIRE = `
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local holder = redis.call('GET', KEYS[1])
  if holder and holder ~= ARGV[1] then return {'held', redis.call('PTTL', KEYS[1])} end
  if not holder then
    redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
    if redis.call('ZCARD', KEYS[4]) >= tonumber(ARGV[5]) then return {'too-many-leases', 0} end
    local spent = tonumber(redis.call('HGET', KEYS[3], ARGV[7]) or '0')
    if spent + tonumber(ARGV[4]) > tonumber(ARGV[6]) then return {'over-quota', 0} end
    redis.call('HINCRBY', KEYS[3], ARGV[7], ARGV[4])
    redis.call('PEXPIRE', KEYS[3], 172800000)
  end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
  redis.call('ZADD', KEYS[4], now + tonumber(ARGV[3]), ARGV[1])
  redis.call('PEXPIRE', KEYS[4], 172800000)
  return {'granted', 0}`;

/** KEYS: holder, lease, leases of the node. ARGV: id, ttl. */
const RENEW = `
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
  redis.call('ZADD', KEYS[3], now + tonumber(ARGV[2]), ARGV[1])
  return 1`;

/** KEYS: holder, lease, leases of the node. ARGV: id. */
const RELEASE = `
  if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
  return 1`;

/** KEYS: contents. ARGV: content, most. */
const ADD_CONTENT = `
  local all = redis.call('LRANGE', KEYS[1], 0, -1)
  for _, content in ipairs(all) do if content == ARGV[1] then return all end end
  if #all < tonumber(ARGV[2]) then
    redis.call('RPUSH', KEYS[1], ARGV[1])
    all[#all + 1] = ARGV[1]
  end
  return all`;

/**
 * Keys: `upload-holder:GNU/CONTENT` (id), `upload-lease:ID` (lease) and `upload-node:NODE` (sorted set: id -> end) end with the
 * lease; `upload-bytes:DAY` (hash: node -> bytes); `upload-contents:GNU` (list, never expires); `upload-refusal:GNU`.
 */
export function redisUploads(client: RedisClient): UploadLeaseStore {
  const { key } = client;
  const holder = (gnu: string, content: string) => key('upload-holder', `${gnu}/${content}`);
  const leaseKey = (id: string) => key('upload-lease', id);
  const nodeKey = (node: string) => key('upload-node', node);
  return {
    async acquire(lease, { ttlMs, leasesPerNode, bytesPerNodeAndDay }) {
      const { id, gnu, content, node, size } = lease;
      const day = key('upload-bytes', new Date().toISOString().slice(0, 10));
      const keys = [holder(gnu, content), leaseKey(id), day, nodeKey(node)];
      const args = [id, JSON.stringify(lease), Math.round(ttlMs), size, leasesPerNode, bytesPerNodeAndDay, node];
      const [result, forMs] = await client.call(
        (redis) => redis.eval(ACQUIRE, keys.length, ...keys, ...args) as Promise<[LeaseResult['result'], number]>,
      );
      return result === 'held' ? { result, forMs: Math.max(1, forMs) } : { result };
    },
    renew: (id, ttlMs) =>
      client.call(async (redis) => {
        const lease = parseStored(uploadLeaseSchema, (await redis.get(leaseKey(id))) ?? 'null');
        if (lease === null) return null;
        const keys = [holder(lease.gnu, lease.content), leaseKey(id), nodeKey(lease.node)];
        return (await redis.eval(RENEW, keys.length, ...keys, id, Math.round(ttlMs))) === 1 ? lease : null;
      }),
    async release({ id, gnu, content, node }) {
      const keys = [holder(gnu, content), leaseKey(id), nodeKey(node)];
      await client.call((redis) => redis.eval(RELEASE, keys.length, ...keys, id));
    },
    addContent: (gnu, content) =>
      client.call(
        (redis) => redis.eval(ADD_CONTENT, 1, key('upload-contents', gnu), content, MAX_CONTENTS) as Promise<string[]>,
      ),
    contents: (gnu) => client.call((redis) => redis.lrange(key('upload-contents', gnu), 0, -1)),
    async refuse(gnu, reason) {
      await client.call((redis) => redis.set(key('upload-refusal', gnu), reason, 'PX', REFUSAL_MS));
    },
    refusal: (gnu) => client.call((redis) => redis.get(key('upload-refusal', gnu))),
  };
}
