import { RowBinaryBlock, TABLES } from '@perfleet/clickhouse';
import { describe, expect, it } from 'vitest';
import { store, T0, useTestApi } from '../api.fixture.ts';
import { SQL_QUEUE } from './limits.ts';
import { SqlService } from './sql-service.ts';

useTestApi();

const HEAVY = 'SELECT count() FROM numbers(9000000000) WHERE sipHash64(number) % 7 = 3';
const caller = (name: string) => ({ name, labels: {} });
const running = async () =>
  (
    await store.query(
      "SELECT query_id FROM system.processes WHERE query LIKE '%9000000000%' AND query NOT LIKE '%processes%'",
    )
  ).length;

describe('heavy queries of one caller', () => {
  it('hold up neither another’s light one, nor the page, nor the ingestion; and end with their client', async () => {
    const service = new SqlService(store);
    const client = new AbortController();
    let over = 0;
    const heavy = Array.from({ length: SQL_QUEUE.runningOfCaller + 3 }, () =>
      service
        .run({ query: HEAVY }, caller('heavy'), client.signal)
        .catch((error: { status?: number }) => error.status)
        .finally(() => over++),
    );
    await expect.poll(running, { timeout: 20_000 }).toBe(SQL_QUEUE.runningOfCaller);

    const light = await service.run({ query: 'SELECT count() FROM nodes' }, caller('light'));
    expect(light.rows).toHaveLength(1);
    const raw = { sql: 'SELECT 1', format: 'CSV' };
    expect(Buffer.from((await service.raw(raw, caller('another'))).body).toString()).toBe('1\n');
    expect(await store.query('SELECT 1 AS page')).toHaveLength(1);
    const row = new RowBinaryBlock().dateTime(T0).u64(1n).u64(1n).u64(1n).u64(1n).row();
    await store.insert('samples', TABLES.samples, row, 'turns');
    expect(over).toBe(0);

    client.abort();
    expect(await Promise.all(heavy)).toEqual(heavy.map(() => 499));
    await expect.poll(running, { timeout: 20_000 }).toBe(0);
  });

  it('that wait are bounded, with a reason', async () => {
    const service = new SqlService(store);
    const client = new AbortController();
    const { runningOfCaller, waitingOfCaller } = SQL_QUEUE;
    const all = Array.from({ length: runningOfCaller + waitingOfCaller + 1 }, () =>
      service.run({ query: HEAVY }, caller('greedy'), client.signal).then(
        () => ({ status: 200, message: '' }),
        (error: { status: number; message: string }) => error,
      ),
    );
    const refused = await all.at(-1)!;
    expect(refused.status).toBe(429);
    expect(refused.message).toContain(
      `greedy has ${runningOfCaller} queries that run and ${waitingOfCaller} that wait`,
    );
    client.abort();
    await Promise.all(all);
    await expect.poll(running, { timeout: 20_000 }).toBe(0);
  });
});
