import {
  acknowledgementSchema,
  alertHistorySchema,
  alertRecordSchema,
  HISTORY_LIMIT,
  silenceSchema,
  type AlertStore,
} from './alert-store.ts';
import { parseAll } from './parse-state.ts';
import { redisAlertRecovery } from './redis-alert-recovery.ts';
import type { RedisClient } from './redis-client.ts';

const LEAD = `
  local owner = redis.call('GET', KEYS[1])
  if owner and owner ~= ARGV[1] then return 0 end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1`;

const RESIGN = `
  if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
  return 1`;

/**
 * KEYS: lease, alerts, acknowledgements, history. ARGV: owner, limit, then (op, ...) triples of one shape. The first write of a
 * script that Redis has no memory for fails as a whole; later ones of the same script are let through, so it is all or nothing.
 */
const COMMIT = `
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  for i = 3, #ARGV, 3 do
    if ARGV[i] == 'put' then redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i + 2])
    elseif ARGV[i] == 'remove' then
      redis.call('HDEL', KEYS[2], ARGV[i + 1])
      redis.call('HDEL', KEYS[3], ARGV[i + 1])
    else redis.call('LPUSH', KEYS[4], ARGV[i + 2]) end
  end
  redis.call('LTRIM', KEYS[4], 0, tonumber(ARGV[2]) - 1)
  return 1`;

/** Keys: `alerts` (hash: id -> record), `alert-acks`, `alert-silences` (hashes), `alert-history` (list, newest first), `alert-lease`, `alerts-complete`. */
export function redisAlerts(client: RedisClient): AlertStore {
  const { key } = client;
  const keys = {
    lease: key('alert-lease'),
    complete: key('alerts-complete'),
    alerts: key('alerts'),
    acks: key('alert-acks'),
    silences: key('alert-silences'),
    history: key('alert-history'),
  };
  const values = (name: string) => client.call((redis) => redis.hvals(name));
  const drop = (name: string, id: string) => client.call(async (redis) => void (await redis.hdel(name, id)));
  const set = (name: string, id: string, body: unknown) =>
    client.call(async (redis) => void (await redis.hset(name, id, JSON.stringify(body))));

  return {
    ...redisAlertRecovery(client, keys),
    lead: (owner, ttlMs) =>
      client.call(
        async (redis) => (await redis.eval(LEAD, 1, keys.lease, owner, Math.max(1, Math.round(ttlMs)))) === 1,
      ),
    resign: (owner) => client.call(async (redis) => void (await redis.eval(RESIGN, 1, keys.lease, owner))),
    records: async () => parseAll(alertRecordSchema, await values(keys.alerts)).sort((a, b) => (a.id < b.id ? -1 : 1)),
    commit(owner, { put, remove, history }) {
      const operations = [
        ...put.flatMap((record) => ['put', record.id, JSON.stringify(record)]),
        ...remove.flatMap((id) => ['remove', id, '']),
        ...history.flatMap((entry) => ['history', '', JSON.stringify(entry)]),
      ];
      const names = [keys.lease, keys.alerts, keys.acks, keys.history];
      return client.call(async (redis) => {
        const done = await redis.eval(COMMIT, names.length, ...names, owner, HISTORY_LIMIT, ...operations);
        return done === 1;
      });
    },
    acknowledgements: async () => parseAll(acknowledgementSchema, await values(keys.acks)),
    acknowledge: (acknowledgement) => set(keys.acks, acknowledgement.alert, acknowledgement),
    unacknowledge: (alert) => drop(keys.acks, alert),
    async silences() {
      const all = parseAll(silenceSchema, await values(keys.silences));
      const now = Date.now();
      for (const { id } of all.filter((silence) => silence.until <= now)) await drop(keys.silences, id);
      return all.filter((silence) => silence.until > now);
    },
    putSilence: (silence) => set(keys.silences, silence.id, silence),
    removeSilence: (id) => drop(keys.silences, id),
    remember: (entry) =>
      client.call(async (redis) => {
        await client.checked(
          redis
            .multi()
            .lpush(keys.history, JSON.stringify(entry))
            .ltrim(keys.history, 0, HISTORY_LIMIT - 1)
            .exec(),
        );
      }),
    history: async (limit) =>
      parseAll(
        alertHistorySchema,
        await client.call((redis) => redis.lrange(keys.history, 0, Math.min(limit, HISTORY_LIMIT) - 1)),
      ),
  };
}
