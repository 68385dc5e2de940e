import { TTL_DAYS } from '@perfleet/clickhouse';
import { holders, type Servers } from './servers.ts';

/** Days for which each tier is kept. */
export interface Retention {
  readonly raw: number;
  readonly tenMinutes: number;
  readonly day: number;
}

const TIERS = { raw: 'samples', tenMinutes: 'samples_10m', day: 'samples_1d' } as const;

/** Samples of messages that were long on their way may be this old when they come (`believableTime`), and a day more. */
const LEAST_RAW_DAYS = 14;
const MOST_DAYS = 3650;
/** Series are seen every day, and dropped by the week. */
const SERIES_BEYOND = 16;
/** Stacks, frames and workloads are seen in every term of 30 days, and roll-ups by the day are dropped by the month: migration 0009. */
const NAMES_BEYOND = 100;

/** What the tables' TTLs say. */
export async function readRetention(servers: Servers): Promise<Retention> {
  const [store] = holders(servers, 'samples');
  const rows = await store!.query<{ name: string; days: string }>(
    `SELECT name, ${TTL_DAYS} AS days FROM system.tables WHERE database = currentDatabase() AND name IN {names:Array(String)}`,
    { names: Object.values(TIERS).map((name) => servers.table(name)) },
  );
  const of = (table: string) => Number(rows.find(({ name }) => name === servers.table(table))?.days);
  return { raw: of(TIERS.raw), tenMinutes: of(TIERS.tenMinutes), day: of(TIERS.day) };
}

/** @throws Error when a coarser tier would be kept for less than a finer one, or raw samples for less than they may be late */
export async function setRetention(servers: Servers, { raw, tenMinutes, day }: Retention): Promise<void> {
  if (raw < LEAST_RAW_DAYS)
    throw new Error(`raw samples for ${raw} days: at least ${LEAST_RAW_DAYS}, which is how late samples may come`);
  if (raw > tenMinutes || tenMinutes > day || day > MOST_DAYS) {
    const asked = `${raw}, ${tenMinutes} and ${day} days`;
    throw new Error(
      `${asked}: a coarser tier is kept at least as long as a finer one, and none over ${MOST_DAYS} days`,
    );
  }
  // What refers to others goes first when time gets shorter, and names are there first when it gets longer: each alone is safe.
  const longer = day > (await readRetention(servers)).day;
  const names = ['stacks', 'frames', 'workloads'].map((table) => [table, 'seen', day + NAMES_BEYOND] as const);
  const samples = [
    ['samples_1d', 'time', day],
    ['samples_10m', 'time', tenMinutes],
    ['samples', 'time', raw],
    ['linked_samples', 'time', raw],
    ['series', 'seen', raw + SERIES_BEYOND],
  ] as const;
  for (const [table, column, days] of longer ? [...names, ...samples] : [...samples, ...names]) {
    const local = servers.table(table);
    // Parts that are there get the new time without being written again. A setting is each server's own.
    for (const { store } of servers.all)
      await store.command(`ALTER TABLE ${local} MODIFY SETTING materialize_ttl_recalculate_only = 1`);
    for (const store of holders(servers, table))
      await store.command(
        `ALTER TABLE ${local} MODIFY TTL ${column} + INTERVAL ${days} DAY SETTINGS mutations_sync = 1`,
      );
  }
}
