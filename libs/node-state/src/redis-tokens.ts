import type { TokenRecord, TokenStore } from '@perfleet/tokens';
import type { RedisClient } from './redis-client.ts';
import { byAge, readToken } from './sqlite-tokens.ts';

/** KEYS: tokens, expires. ARGV: hash, time. */
const EXPIRE = `
  if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
  local ends = redis.call('HGET', KEYS[2], ARGV[1])
  if not ends or tonumber(ends) > tonumber(ARGV[2]) then redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) end
  return 1`;

/** KEYS: tokens, revoked. ARGV: hash, time. */
const REVOKE = `
  if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
  redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2])
  return 1`;

/**
 * Keys: `tokens` (hash: SHA-256 -> record as it was made), `token-expires`, `token-revoked` (hashes: SHA-256 -> Unix ms). Whoever can
 * write them can make tokens: collectors must not.
 */
export function redisTokens(client: RedisClient): TokenStore {
  const keys = {
    tokens: client.key('tokens'),
    expires: client.key('token-expires'),
    revoked: client.key('token-revoked'),
  };
  return {
    insert(record) {
      const { hash, expiresAt, revokedAt } = record;
      return client.call(async (redis) => {
        const multi = redis.multi().hset(keys.tokens, hash, JSON.stringify(record));
        if (expiresAt !== null) multi.hset(keys.expires, hash, expiresAt);
        if (revokedAt !== null) multi.hset(keys.revoked, hash, revokedAt);
        await client.checked(multi.exec());
      });
    },
    find: (hash) =>
      client.call(async (redis) => {
        const [body, expires, revoked] = await Promise.all([
          redis.hget(keys.tokens, hash),
          redis.hget(keys.expires, hash),
          redis.hget(keys.revoked, hash),
        ]);
        return body === null ? null : fromText(body, expires, revoked);
      }),
    list: () =>
      client.call(async (redis) => {
        const [bodies, expires, revoked] = await Promise.all([
          redis.hgetall(keys.tokens),
          redis.hgetall(keys.expires),
          redis.hgetall(keys.revoked),
        ]);
        return byAge(Object.entries(bodies).map(([hash, body]) => fromText(body, expires[hash], revoked[hash])));
      }),
    expire: (hash, at) =>
      client.call(async (redis) => (await redis.eval(EXPIRE, 2, keys.tokens, keys.expires, hash, at)) === 1),
    revoke: (hash, at) =>
      client.call(async (redis) => (await redis.eval(REVOKE, 2, keys.tokens, keys.revoked, hash, at)) === 1),
  };
}

function fromText(body: string, expires?: string | null, revoked?: string | null): TokenRecord | null {
  const time = (text?: string | null) => (text == null ? null : Number(text));
  return readToken(body, time(expires), time(revoked));
}
