import { ROLL_UPS } from '@perfleet/clickhouse';
import { holders, type Servers } from './servers.ts';

export interface DropPlan {
  /** `YYYYMMDD`, oldest first: each a day of samples, the unit in which they are stored. */
  readonly partitions: readonly string[];
  readonly rows: number;
  readonly bytes: number;
  /** Unix seconds: the days, of which roll-ups may be kept for longer. */
  readonly from: number;
  readonly until: number;
  readonly rollUpRows: number;
}

const DAY = /^\d{4}-\d\d-\d\d$/;

/** @throws Error when it is not a day, `YYYY-MM-DD` */
export function parseDay(flag: string, text: string): string {
  const time = DAY.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
  if (Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text)
    throw new Error(`${flag} ${text}: expected a day (UTC) such as 2026-11-26`);
  return text;
}

/** Samples of the days `from` to `until`, both included, as they are stored. */
export async function planDrop(servers: Servers, from: string, until: string): Promise<DropPlan> {
  if (from > until) throw new Error(`--from ${from} is after --until ${until}`);
  const partitions = new Set<string>();
  const sums = { rows: 0, bytes: 0, rollUpRows: 0 };
  const range = { from: Date.parse(from) / 1000, until: Date.parse(until) / 1000 + 86_400 };
  const counts = ROLL_UPS.map(({ table }) => `(SELECT count() FROM ${servers.table(table)} WHERE ${IN_DAYS})`).join(
    ' + ',
  );
  for (const store of holders(servers, 'samples')) {
    const rows = await store.query<{ id: string; rows: string; bytes: string }>(
      `SELECT partition_id AS id, sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts
       WHERE database = currentDatabase() AND table = {table:String} AND active
         AND partition_id BETWEEN {from:String} AND {until:String}
       GROUP BY id`,
      { table: servers.table('samples'), from: from.replaceAll('-', ''), until: until.replaceAll('-', '') },
    );
    for (const row of rows) {
      partitions.add(row.id);
      sums.rows += Number(row.rows);
      sums.bytes += Number(row.bytes);
    }
    const [rolledUp] = await store.query<{ n: string }>(`SELECT ${counts} AS n`, range);
    sums.rollUpRows += Number(rolledUp?.n);
  }
  return { partitions: [...partitions].sort(), ...sums, ...range };
}

const IN_DAYS = "time >= toDateTime({from:UInt32}, 'UTC') AND time < toDateTime({until:UInt32}, 'UTC')";

/**
 * Drops the plan's partitions of samples, and their days from the roll-ups, whose parts hold other days too and are written
 * again. What labels, stacks and names they had stays: other days refer to it.
 */
export async function drop(servers: Servers, { partitions, from, until }: DropPlan): Promise<void> {
  const days = `time >= toDateTime(${Number(from)}, 'UTC') AND time < toDateTime(${Number(until)}, 'UTC')`;
  for (const store of holders(servers, 'samples')) {
    for (const { table } of ROLL_UPS)
      await store.command(`ALTER TABLE ${servers.table(table)} DELETE WHERE ${days} SETTINGS mutations_sync = 1`);
    for (const id of partitions) {
      if (!/^\d{8}$/.test(id)) throw new Error(`${id} is not the id of a day`);
      // Samples last: the plan is made of what is left of them.
      for (const table of ['linked_samples', 'samples'])
        await store.command(`ALTER TABLE ${servers.table(table)} DROP PARTITION ID '${id}'`);
    }
  }
}
