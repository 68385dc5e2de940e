import {
  acknowledgementSchema,
  alertHistorySchema,
  alertRecordSchema,
  HISTORY_LIMIT,
  silenceSchema,
} from './alert-store.ts';
import type { AlertItems, AlertRecovery } from './alert-recovery.ts';
import { parseAll } from './parse-state.ts';
import type { RedisClient } from './redis-client.ts';

export interface AlertKeys {
  readonly alerts: string;
  readonly acks: string;
  readonly silences: string;
  readonly history: string;
  /** Exists when the store is complete. */
  readonly complete: string;
}

/** KEYS: alerts, acknowledgements, silences, history, complete. ARGV: limit, then (number of the key, id, body) triples. */
const RESTORE = `
  if redis.call('EXISTS', KEYS[5]) == 1 then return 0 end
  for i = 2, #ARGV, 3 do
    local key = tonumber(ARGV[i])
    if key == 4 then redis.call('RPUSH', KEYS[4], ARGV[i + 2])
    else redis.call('HSETNX', KEYS[key], ARGV[i + 1], ARGV[i + 2]) end
  end
  redis.call('LTRIM', KEYS[4], 0, tonumber(ARGV[1]) - 1)
  redis.call('SET', KEYS[5], '1')
  return 1`;

export function redisAlertRecovery(client: RedisClient, keys: AlertKeys): AlertRecovery {
  const { alerts, acks, silences, history, complete } = keys;
  return {
    async snapshot(historyLimit) {
      const limit = Math.max(1, Math.min(historyLimit, HISTORY_LIMIT));
      const [marked, ...lists] = await client.call(async (redis) => {
        const multi = redis.multi().exists(complete).hvals(alerts).hvals(acks).hvals(silences);
        const answers = (await multi.lrange(history, 0, limit - 1).exec()) ?? [];
        await client.checked(Promise.resolve(answers));
        return answers.map(([, value]) => value) as [number, string[], string[], string[], string[]];
      });
      return {
        complete: marked === 1,
        records: parseAll(alertRecordSchema, lists[0]),
        acknowledgements: parseAll(acknowledgementSchema, lists[1]),
        silences: parseAll(silenceSchema, lists[2]).filter(({ until }) => until > Date.now()),
        history: parseAll(alertHistorySchema, lists[3]),
      };
    },
    restore(items) {
      const names = [alerts, acks, silences, history, complete];
      return client.call(async (redis) => {
        const done = await redis.eval(RESTORE, names.length, ...names, HISTORY_LIMIT, ...triples(items));
        return done === 1;
      });
    },
  };
}

function triples({ records, acknowledgements, silences, history }: AlertItems): Array<string | number> {
  return [
    ...records.map((record) => [1, record.id, JSON.stringify(record)] as const),
    ...acknowledgements.map((ack) => [2, ack.alert, JSON.stringify(ack)] as const),
    ...silences.map((silence) => [3, silence.id, JSON.stringify(silence)] as const),
    ...history.slice(0, HISTORY_LIMIT).map((entry) => [4, '', JSON.stringify(entry)] as const),
  ].flat();
}
