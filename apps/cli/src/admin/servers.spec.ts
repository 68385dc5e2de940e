import { localTable, type Store } from '@perfleet/clickhouse';
import { expect, it } from 'vitest';
import { drop, planDrop } from './drop.ts';
import { setRetention } from './retention.ts';
import type { Servers } from './servers.ts';

/** Two shards, the first with two replicas. Notes what each is told; each says that it has one day. */
function cluster() {
  const told: string[] = [];
  const store = (name: string): Store => {
    const one: Partial<Store> = {
      async query<T>(sql: string, params?: Record<string, unknown>) {
        if (!sql.includes('system.parts')) return [{ n: '5' }] as T[];
        expect(params).toMatchObject({ table: 'samples_local' });
        return [{ id: '20261101', rows: '10', bytes: '100' }] as T[];
      },
      async command(sql) {
        told.push(
          `${name} ${/^ALTER TABLE (\w+) (MODIFY \w+|DELETE|DROP PARTITION ID '\d+')/.exec(sql)?.slice(1).join(' ')}`,
        );
      },
    };
    return one as Store;
  };
  const all = (['a1', 'a2', 'b1'] as const).map((name) => ({ shard: name[0]!, name, store: store(name) }));
  const servers: Servers = { all, store: all[0]!.store, table: localTable, close: async () => undefined };
  return { servers, told };
}

it('days are dropped once in each shard, and what is shown is of all', async () => {
  const { servers, told } = cluster();
  const plan = await planDrop(servers, '2026-11-01', '2026-11-01');
  expect(plan).toMatchObject({ partitions: ['20261101'], rows: 20, bytes: 200, rollUpRows: 10 });
  await drop(servers, plan);
  expect(told).toEqual(
    ['a1', 'b1'].flatMap((name) => [
      `${name} samples_10m_local DELETE`,
      `${name} samples_1d_local DELETE`,
      `${name} linked_samples_local DROP PARTITION ID '20261101'`,
      `${name} samples_local DROP PARTITION ID '20261101'`,
    ]),
  );
});

it('retention is changed once for those that hold the same rows, and its setting on every server', async () => {
  const { servers, told } = cluster();
  await setRetention(servers, { raw: 14, tenMinutes: 90, day: 400 });
  const of = (table: string) =>
    told.filter((line) => line.split(' ')[1] === table).map((line) => line.replace(` ${table}`, ''));
  const settings = ['a1 MODIFY SETTING', 'a2 MODIFY SETTING', 'b1 MODIFY SETTING'];
  expect(of('samples_local')).toEqual([...settings, 'a1 MODIFY TTL', 'b1 MODIFY TTL']);
  expect(of('stacks')).toEqual([...settings, 'a1 MODIFY TTL']);
});
