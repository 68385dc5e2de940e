import type { Store } from '@perfleet/clickhouse';
import { PERIOD, type Totals } from '@perfleet/simulate';

export async function countOf(store: Store, table: 'samples' | 'delivery_log'): Promise<number> {
  const [row] = await store.query<{ n: string }>(`SELECT count() AS n FROM ${table}`);
  return Number(row!.n);
}

/** @throws Error when a stack's samples differ: a fast pipeline that loses some is worth nothing */
export async function checkStore(store: Store, totals: Totals): Promise<void> {
  const found = await store.query<{ service: string; stack: string; n: string }>(
    `SELECT service, stack, sum(value) AS n FROM samples INNER JOIN (SELECT series, any(service) AS service FROM series GROUP BY series) AS l
     USING (series) GROUP BY service, stack`,
  );
  let samples = 0;
  for (const { service, stack, n } of found) {
    const expected = (totals.stacks(service).get(BigInt(stack)) ?? 0) * PERIOD;
    if (Number(n) !== expected)
      throw new Error(`stack ${stack} of ${service}: the store has ${n} ns, the fleet made ${expected}`);
    samples += Number(n) / PERIOD;
  }
  if (samples !== totals.samples) throw new Error(`the store has ${samples} samples, the fleet made ${totals.samples}`);
}

export async function bytesByTable(store: Store): Promise<(readonly [string, number])[]> {
  const rows = await store.query<{ table: string; bytes: string }>(
    `SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts
     WHERE active AND database = currentDatabase() AND table IN ('samples', 'samples_10m', 'samples_1d', 'stacks', 'frames', 'series', 'workloads', 'delivery_log')
     GROUP BY table ORDER BY sum(bytes_on_disk) DESC`,
  );
  return rows.map(({ table, bytes }) => [table, Number(bytes)] as const);
}

/** Rows of all tables that merges have read since the engine was started. */
export async function mergedRows(store: Store): Promise<number> {
  const [row] = await store.query<{ n: string }>("SELECT value AS n FROM system.events WHERE event = 'MergedRows'");
  return Number(row?.n ?? 0);
}

/** Blocks of samples that were inserted: what was merged tells how many it is made of. */
export async function blocksOf(store: Store): Promise<number> {
  const [row] = await store.query<{ n: string }>(
    `SELECT sum(last) AS n FROM (SELECT max(max_block_number) AS last FROM system.parts
     WHERE database = currentDatabase() AND table = 'samples' GROUP BY partition_id)`,
  );
  return Number(row!.n);
}
