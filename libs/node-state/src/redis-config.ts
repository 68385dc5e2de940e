import { CONFIG_HISTORY_LIMIT, configDocumentSchema, noteOf, type ConfigStore } from './config-store.ts';
import { ConfigConflictError, ConfigUnreadableError } from './errors.ts';
import { parseAll, parseStored } from './parse-state.ts';
import type { RedisClient } from './redis-client.ts';

/**
 * KEYS: config, history. ARGV: expected version or "", document, by, comment (JSON texts), most entries of the history.
 * One step, so that two writers of one version cannot both win. Returns the new version, or -(actual + 1). The entry is put
 * together as text: Lua's JSON would turn empty lists into objects. What something else put in place of the keys goes.
 */
const SET = `
  for i, kind in ipairs({'hash', 'list'}) do
    if redis.call('TYPE', KEYS[i]).ok ~= kind then redis.call('DEL', KEYS[i]) end
  end
  local version = math.max(0, math.floor(tonumber(redis.call('HGET', KEYS[1], 'version') or '') or 0))
  if ARGV[1] ~= '' and tonumber(ARGV[1]) ~= version then return -(version + 1) end
  local time = redis.call('TIME')
  local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
  local entry = '{"version":' .. string.format('%.0f', version + 1) .. ',"changedAt":' .. now ..
    ',"by":' .. ARGV[3] .. ',"comment":' .. ARGV[4] .. ',"document":' .. ARGV[2] .. '}'
  redis.call('HSET', KEYS[1], 'version', version + 1, 'changedAt', now, 'entry', entry)
  redis.call('LPUSH', KEYS[2], entry)
  redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[5]) - 1)
  return version + 1`;

/** Keys: `config` (hash: version, changedAt, entry = all of it as JSON), `config-history` (list of entries, newest first). */
export function redisConfig(client: RedisClient): ConfigStore {
  const config = client.key('config');
  const history = client.key('config-history');
  const read = async (...fields: string[]): Promise<Array<string | null>> => {
    try {
      return await client.call((redis) => redis.hmget(config, ...fields));
    } catch (error) {
      if (error instanceof Error && error.message.includes('WRONGTYPE')) throw unreadable();
      throw error;
    }
  };
  const unreadable = () => new ConfigUnreadableError(`Redis, key ${config}`);
  return {
    async get() {
      const [version, entry] = await read('version', 'entry');
      if (version == null && entry == null) return null;
      const parsed = parseStored(configDocumentSchema, entry ?? '');
      if (!parsed) throw unreadable();
      return parsed;
    },
    async revision() {
      const [version, changedAt] = await read('version', 'changedAt');
      return version == null ? null : { version: Number(version) || 0, changedAt: Number(changedAt) || 0 };
    },
    async set(document, expectedVersion, note) {
      const { by, comment } = noteOf(note);
      const expected = expectedVersion === undefined ? '' : String(expectedVersion);
      const texts = [document, by, comment].map((value) => JSON.stringify(value));
      const version = Number(
        await client.call((redis) => redis.eval(SET, 2, config, history, expected, ...texts, CONFIG_HISTORY_LIMIT)),
      );
      if (version < 0) throw new ConfigConflictError(expectedVersion ?? 0, -version - 1);
      return version;
    },
    async history(limit) {
      const last = Math.min(limit, CONFIG_HISTORY_LIMIT) - 1;
      return parseAll(configDocumentSchema, await client.call((redis) => redis.lrange(history, 0, last)));
    },
  };
}
