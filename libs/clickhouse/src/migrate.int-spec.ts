import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seriesId } from '@perfleet/ids';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedStore } from './embedded.ts';
import { migrate, MIGRATIONS, RowBinaryBlock, serveClickhouse, storeEngine, TABLES, type Store } from './index.ts';
import { otherwiseMerged, withCommand } from './migrate.fixture.ts';
import { splitSteps } from './migrate.ts';
import { TTL_DAYS } from './tables.ts';
import { underSchemaLock } from './schema-lock.ts';
import { ServerStore } from './server.ts';
import { insertSettings } from './store.ts';

const path = mkdtempSync(join(tmpdir(), 'clickhouse-migrate-'));
let store: Store;
beforeAll(() => void (store = new EmbeddedStore(path)));
afterAll(async () => {
  await store?.close();
  rmSync(path, { recursive: true, force: true });
});

const DAY = 86_400;
const T0 = Math.floor(Date.now() / 1000 / DAY) * DAY - 2 * DAY;
const shared = { cluster: 'c', namespace: 'shop', container: 'web', service: 'web', process: 'node' };
const LABELS = { team: 'é', zone: 'a' };

/** Two series of one workload on two nodes, samples over two days: as version 8 kept them. */
async function fillVersion8(): Promise<void> {
  const row = (id: number, node: string) =>
    `(${id}, '${shared.cluster}', '${node}', '${shared.namespace}', 'p${id}', 'u${id}', '${shared.container}', 'x${id}', '${shared.service}', '${shared.process}', 'cpu', 'nanoseconds', 10, map('zone', 'a', 'team', 'é'), now())`;
  // Twice: a series was written again every day.
  for (let i = 0; i < 2; i++) await store.command(`INSERT INTO series VALUES ${row(1, 'n1')}, ${row(2, 'n2')}`);
  await store.command(`INSERT INTO stacks VALUES (10, [100]), (11, [100, 101])`);
  await store.command(
    `INSERT INTO frames VALUES (100, 'v8js', '', 0, 'main', 'a.js', 1, ''), (101, 'v8js', '', 0, 'f', 'a.js', 2, '')`,
  );
  // Series 3 has no row: its samples are kept all the same.
  await store.command(
    `INSERT INTO samples SELECT ${T0} + number * 7, 1 + number % 3, 10 + number % 2, 1 + number FROM numbers(20000)`,
  );
}

const sums = async () => {
  const [row] = await store.query(
    `SELECT count() AS n, sum(value) AS v, sum(value * (stack - 9)) AS by_stack, sum(value * (toUnixTimestamp(time) - ${T0})) AS by_time FROM samples`,
  );
  return row;
};

/** Fails once at each statement that moves something, before it or behind it. */
function interrupting(failures: Set<string>): Store {
  return withCommand(store, async (sql) => {
    const fail = (when: string) => {
      if (!/^(EXCHANGE|INSERT|CREATE MAT|ALTER TABLE samples (MODIFY|RESET) SETTING)/.test(sql)) return;
      if (failures.has(when + sql)) return;
      failures.add(when + sql);
      throw new Error(`killed ${when} ${sql.slice(0, 60)}`);
    };
    fail('before');
    await store.command(sql);
    fail('behind');
  });
}

describe('migrations', () => {
  it('take the samples of versions 8 and 13 along, whenever they are interrupted', async () => {
    const upTo = (last: number) => MIGRATIONS.filter(({ version }) => version <= last);
    await migrate(store, upTo(8));
    await fillVersion8();
    const failures = new Set<string>();
    const interrupted = interrupting(failures);
    let rounds = 0;
    const migrateTo = async (last: number) => {
      const done = () =>
        migrate(interrupted, upTo(last)).then(
          () => true,
          () => false,
        );
      while (!(await done())) rounds++;
    };
    await migrateTo(13);
    // What an operator chose is not forgotten.
    await store.command('ALTER TABLE samples MODIFY TTL time + INTERVAL 21 DAY');
    // From here on roll-ups follow what is inserted, and are not made again.
    await store.command(
      `INSERT INTO samples (time, series, stack, value) SELECT ${T0} + number * 7, 3, 10 + number % 2, 1 + number FROM numbers(2000)`,
    );
    const before = await sums();
    await migrateTo(Infinity);
    expect(rounds).toBe(failures.size);
    expect(rounds).toBeGreaterThan(25);
    expect(await migrate(store)).toEqual([]);

    expect(await sums()).toEqual(before);
    const workload = String(
      seriesId([
        ...Object.entries(shared),
        ...[...Object.entries(LABELS)].map(([name, value]) => [`label.${name}`, value] as const),
        ...Object.entries({ type: 'cpu', unit: 'nanoseconds', period: '10' }),
      ]),
    );
    expect(await store.query('SELECT series, workload FROM series FINAL ORDER BY series')).toEqual([
      { series: '1', workload },
      { series: '2', workload },
    ]);
    expect(await store.query('SELECT workload, service, period FROM workloads FINAL')).toEqual([
      { workload, service: 'web', period: '10' },
    ]);
    const rows = 'SELECT DISTINCT series, workload FROM samples ORDER BY series';
    expect(await store.query(rows)).toMatchObject([{ workload }, { workload }, { series: '3', workload: '3' }]);
    for (const [table, bucket] of [
      ['samples_10m', 'toStartOfTenMinutes'],
      ['samples_1d', 'toStartOfDay'],
    ]) {
      const difference = `SELECT count() AS n FROM (
        SELECT time, workload, stack, sum(value) AS v FROM ${table} GROUP BY ALL
        EXCEPT SELECT ${bucket}(s.time) AS time, workload, stack, sum(value) AS v FROM samples AS s GROUP BY ALL)`;
      expect(await store.query(difference)).toEqual([{ n: '0' }]);
      const [sum] = await store.query(`SELECT sum(value) AS v FROM ${table}`);
      expect(sum).toEqual({ v: String(before!['v']) });
    }
    expect(await store.query(`SELECT stack, frames FROM stacks ORDER BY stack`)).toEqual([
      { stack: '10', frames: ['100'] },
      { stack: '11', frames: ['100', '101'] },
    ]);
    expect(await store.query(`SELECT count() AS n FROM frames`)).toEqual([{ n: '2' }]);
    const left = `SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE '%_next'`;
    expect(await store.query(left)).toEqual([]);
    expect(await otherwiseMerged(store)).toEqual([]);
    const days = `SELECT name, ${TTL_DAYS} AS days FROM system.tables
      WHERE database = currentDatabase() AND name IN ('samples', 'linked_samples') ORDER BY name`;
    expect(await store.query(days)).toEqual(['linked_samples', 'samples'].map((name) => ({ name, days: '21' })));
  });

  it('wait for the process that is at it', async () => {
    const http = await serveClickhouse({ engine: storeEngine(store), scope: 'admin', port: 0 });
    const servers = [0, 1].map(() => new ServerStore({ url: http.url }));
    try {
      const more = {
        version: 1000,
        name: '1000_more',
        steps: splitSteps('CREATE TABLE more (a UInt8) ENGINE = Memory; INSERT INTO more VALUES (1)'),
      };
      const applied = await Promise.all(servers.map((server) => migrate(server, [...MIGRATIONS, more])));
      expect(applied.flat()).toEqual([1000]);
      expect(await store.query('SELECT count() AS n FROM more')).toEqual([{ n: '1' }]);
    } finally {
      await store.command('ALTER TABLE schema_migrations DELETE WHERE version = 1000 SETTINGS mutations_sync = 2');
      for (const server of servers) await server.close();
      await http.close();
    }
  });
});

describe('the lock of the schema', () => {
  const times = { renew: 200, stale: 1500, poll: 50 };

  it('of a process that was killed is taken over by one of those that wait, and no living one is', async () => {
    const http = await serveClickhouse({ engine: storeEngine(store), scope: 'admin', port: 0 });
    const servers = [0, 1].map(() => new ServerStore({ url: http.url }));
    try {
      const now = Math.floor(Date.now() / 1000);
      await store.command(`CREATE TABLE schema_lock (alive UInt32) ENGINE = Memory COMMENT 'killed_${now}'`);
      let [running, most, ended] = [0, 0, 0];
      const work = async () => {
        most = Math.max(most, ++running);
        // Longer than a lock that is not renewed would hold, to whole seconds.
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        running--;
        ended++;
      };
      await Promise.all(servers.map((server) => underSchemaLock(server, work, times)));
      expect([most, ended]).toEqual([1, 2]);
      expect(await store.query("SELECT name FROM system.tables WHERE name LIKE 'schema_lock%'")).toEqual([]);
    } finally {
      for (const server of servers) await server.close();
      await http.close();
    }
  });
});

describe('roll-ups', () => {
  const block = (value: bigint) => {
    const rows = new RowBinaryBlock();
    for (let i = 0; i < 100; i++)
      rows
        .dateTime(T0 + i)
        .u64(77n)
        .u64(5n)
        .u64(BigInt(i % 4))
        .u64(value)
        .row();
    return rows;
  };
  const all = () =>
    store.query(
      ['samples', 'samples_10m', 'samples_1d']
        .map((table) => `SELECT sum(value) AS v FROM ${table} WHERE workload = 77`)
        .join(' UNION ALL '),
    );

  it('count a block once, however often it comes and wherever it failed', async () => {
    await store.insert('samples', TABLES.samples, block(3n), 'a');
    await store.insert('samples', TABLES.samples, block(3n), 'a');
    expect(await all()).toEqual([{ v: '300' }, { v: '300' }, { v: '300' }]);
    // The second roll-up fails: what is in by then stays, and the repeated insert adds what is missing.
    await store.command('DETACH TABLE samples_1d');
    await expect(store.insert('samples', TABLES.samples, block(5n), 'b')).rejects.toThrow(/samples_1d/);
    await store.command('ATTACH TABLE samples_1d');
    await store.insert('samples', TABLES.samples, block(5n), 'b');
    await store.insert('samples', TABLES.samples, block(5n), 'b');
    expect(await all()).toEqual([{ v: '800' }, { v: '800' }, { v: '800' }]);
    // As the version before wrote it, which let the engine merge a block's rows, and was killed before it committed.
    const columns = TABLES.samples.map(({ name }) => name).join(', ');
    await store.raw({
      sql: `INSERT INTO samples (${columns}) FORMAT RowBinary`,
      body: block(7n).bytes(),
      settings: { ...insertSettings('c'), optimize_on_insert: 1 },
    });
    await store.insert('samples', TABLES.samples, block(7n), 'c');
    expect(await all()).toEqual([{ v: '1500' }, { v: '1500' }, { v: '1500' }]);
  });
});
